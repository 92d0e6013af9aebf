import { LockUnavailableError, type NodeHealth, systemClock } from '@holdfast/core';
import { KeepAlive } from '@holdfast/core/backend';
import { RedisNode } from './node/redis-node.js';
import { askNodes, whenAllAnswered } from './protocol/ask-nodes.js';
import { healthOf } from './node-health.js';
import type { ProtocolSettings } from './protocol/context.js';
import type { NodeStatus, RedlockNode } from './protocol/node.js';
import { BACKEND, tooFewNodes } from './redlock-error.js';
import { type NodesOptions, resolveRedlockOptions } from './redlock-options.js';

type Status = NodeStatus & { readonly done: boolean };

/**
 * Lets the nodes of a **new** deployment vote at once, instead of after their first quarantine. A one-off call of the operator: it works only
 * while every node answers and none has been in use. Not for a node that was restarted, emptied or replaced: that one may have
 * forgotten locks that are held, which is what the quarantine is for.
 *
 * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when a node did not answer, has been in use (`retryable: false`), or two
 *   of them are the same server; then no node was changed
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export async function initializeNodes(options: NodesOptions): Promise<void> {
  await withNodes('initializeNodes', options, async (nodes, { nodeTimeoutMs }) => {
    const looked = await askAll(nodes, 'look', nodeTimeoutMs * 4);
    refuseUsed(nodes, looked);
    const opened = await askAll(nodes, 'open', nodeTimeoutMs * 4).catch(async (error: unknown) => {
      await undo(nodes, nodeTimeoutMs);
      throw error;
    });
    const used = opened.findIndex(({ done }) => !done);
    if (used < 0) return;
    await undo(
      nodes.filter((_, index) => opened[index]?.done),
      nodeTimeoutMs,
    );
    throw inUse(nodes[used]);
  });
}

/**
 * What each node has, without a trace: a call of a manager would be a node's first contact, and begin its quarantine.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export async function lookAtNodes(options: NodesOptions): Promise<readonly NodeHealth[]> {
  return withNodes('lookAtNodes', options, (nodes, { nodeTimeoutMs, maxTtlMs }) =>
    healthOf(nodes, systemClock, nodeTimeoutMs * 4, maxTtlMs),
  );
}

/** Connects to each node for as long as the work takes. */
async function withNodes<T>(
  where: string,
  options: NodesOptions,
  work: (nodes: readonly RedlockNode[], settings: ProtocolSettings) => Promise<T>,
): Promise<T> {
  const { sources, protocol, node } = resolveRedlockOptions(where, options, systemClock);
  const silent = { onWake: () => {} };
  const nodes = sources.map(({ label, source }) => new RedisNode(label, source, node, systemClock, silent));
  // Our connections let a process end; a call that is pending must not.
  const keepAlive = new KeepAlive();
  keepAlive.begin();
  try {
    return await work(nodes, protocol);
  } finally {
    keepAlive.end();
    keepAlive.close();
    for (const each of nodes) each.close();
  }
}

async function askAll(nodes: readonly RedlockNode[], command: 'look' | 'open' | 'close', timeoutMs: number): Promise<readonly Status[]> {
  const answers = await askNodes<Status>({
    nodes,
    clock: systemClock,
    timeoutMs,
    ask: (node) => node.status(command, timeoutMs),
    isDecided: whenAllAnswered,
  });
  const statuses = answers.flatMap((answer) => (answer.kind === 'answered' ? [answer.value] : []));
  if (statuses.length < nodes.length) throw tooFewNodes(nodes, answers, nodes.length, null);
  return statuses;
}

function refuseUsed(nodes: readonly RedlockNode[], statuses: readonly Status[]): void {
  const used = statuses.findIndex(({ marker }) => marker !== null);
  if (used >= 0) throw inUse(nodes[used]);
  if (new Set(statuses.map(({ runId }) => runId)).size < statuses.length) {
    throw new LockUnavailableError('redlock: two of the nodes are the same server; each must be one of its own', {
      backend: BACKEND,
      retryable: false,
    });
  }
}

/** A node that was opened while another refused must not stay so: what is not set up as a whole begins with its quarantine. */
async function undo(nodes: readonly RedlockNode[], timeoutMs: number): Promise<void> {
  await Promise.allSettled(nodes.map((node) => node.status('close', timeoutMs)));
}

function inUse(node: RedlockNode | undefined): LockUnavailableError {
  return new LockUnavailableError(
    `redlock: ${node?.label ?? 'a node'} has been in use, so this is no new deployment; its quarantine ends by itself`,
    { backend: BACKEND, retryable: false },
  );
}
