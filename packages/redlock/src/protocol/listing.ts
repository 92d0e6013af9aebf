import { type CallContext, isLockError, type LockKind, type LockState } from '@holdfast/core';
import { warnOfForeign } from '@holdfast/redis/connection';
import { tooFewNodes } from '../redlock-error.js';
import { askNodes, type NodeAnswer } from './ask-nodes.js';
import { type ProtocolContext, stepMs } from './context.js';
import { NodeFailure, type RedlockNode } from './node.js';

const NOT_ASKED: NodeAnswer<null> = { kind: 'failed', failure: new NodeFailure('not asked', { mayHappen: false, retryable: true }) };

/** What is held or waited for under a prefix, name by name. @param inspect as the backend's own */
export async function* listNames(
  context: ProtocolContext,
  inspect: (name: string, kind: LockKind) => Promise<LockState>,
  prefix: string,
  call: CallContext,
): AsyncIterable<LockState> {
  const { nodes, settings } = context;
  const seen = new Set<string>();
  // What a quorum has, one of so many nodes has.
  const enough = nodes.length - settings.quorum + 1;
  let missing = enough;
  const failures: unknown[] = [];
  const answers: NodeAnswer<null>[] = nodes.map(() => NOT_ASKED);
  const foreign: string[] = [];
  for (const node of await promptFirst(context, call, missing)) {
    if (missing === 0) break;
    try {
      for await (const batch of node.scan(prefix, stepMs(settings, call.timeoutMs))) {
        const fresh = new Map(batch.map((found) => [`${found.kind} ${found.name}`, found]));
        for (const id of fresh.keys()) if (seen.has(id)) fresh.delete(id);
        for (const id of fresh.keys()) seen.add(id);
        const states = await Promise.all(
          [...fresh.values()].map(({ name, kind }) =>
            inspect(name, kind).catch((error: unknown) => {
              // What the nodes could be asked for, but not this: its keys hold what no lock does.
              if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') || error.retryable) throw error;
              foreign.push(name);
              return null;
            }),
          ),
        );
        // Another program's value under the same prefix cannot be distinguished from a lock of another library.
        yield* states.filter((state) => state !== null).filter(({ holders }) => holders.some(({ label }) => label !== null));
      }
      missing -= 1;
      answers[nodes.indexOf(node)] = { kind: 'answered', value: null };
    } catch (error) {
      failures.push(error);
      if (error instanceof NodeFailure) answers[nodes.indexOf(node)] = { kind: 'failed', failure: error };
      if (failures.length <= nodes.length - enough) continue;
      throw error instanceof NodeFailure ? tooFewNodes(nodes, answers, enough, null) : error;
    }
  }
  if (foreign.length > 0) warnOfForeign('redlock: list()', foreign);
}

/** The nodes in the order in which they answer, as soon as so many have: one that is stopped comes last. */
async function promptFirst({ nodes, settings }: ProtocolContext, call: CallContext, enough: number): Promise<readonly RedlockNode[]> {
  const timeoutMs = stepMs(settings, call.timeoutMs);
  const order: RedlockNode[] = [];
  await askNodes({
    nodes,
    clock: call.clock,
    timeoutMs,
    ask: (node) => node.status('greet', timeoutMs),
    onAnswer: (index, { kind }, isLate) => {
      const node = nodes[index];
      if (kind === 'answered' && !isLate && node !== undefined) order.push(node);
    },
    isDecided: () => order.length >= enough,
  });
  return [...order, ...nodes.filter((node) => !order.includes(node))];
}
