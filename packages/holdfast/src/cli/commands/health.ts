import { isLockError, type LockManager, type NodeHealth } from '@holdfast/core';
import { openManager } from '../../open-manager.js';
import { redactUrl } from '../../redact-url.js';
import { settingsOf } from '../../settings.js';
import { failureOf } from '../cli-error.js';
import { showDuration } from '../duration.js';
import { exitCodes } from '../exit-codes.js';
import { inItsFile, resolveStore, type StoreOptions } from '../open-store.js';
import type { Output } from '../output.js';
import { printable } from '../printable.js';
import { table } from '../table.js';

/** `holdfast health`: takes and frees a random lock. What a probe or a person wants to know: the answer, and how fast it came. */
export async function health(options: StoreOptions & { readonly json?: boolean }, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  const url = redactUrl(config.url);
  // What the store's servers said, where it has several: printed also, and above all, when too few of them took part.
  let nodes: readonly NodeHealth[] | undefined;
  try {
    // Not by `connect`, whose error says nothing of the nodes.
    const { manager, health: first } = await openManager('connect', settingsOf('connect', config, undefined));
    try {
      nodes = scrubbed(first.nodes, output);
      if (!first.ok && nodes === undefined) throw first.error;
      // The first contact has connected and loaded what there is to load: the second shows what a call takes, and how clocks are.
      const report = await manager.checkHealth();
      nodes = scrubbed(report.nodes, output) ?? nodes;
      if (!report.ok) throw first.ok ? report.error : first.error;
      const latencyMs = Math.round(report.latencyMs * 100) / 100;
      if (options.json)
        output.printJson({
          ok: true,
          backend: report.backend,
          driver: report.driver,
          url,
          latencyMs,
          capabilities: manager.capabilities,
          nodes,
        });
      else tellWell(manager, report.driver, url, latencyMs, nodes, output);
      return exitCodes.ok;
    } finally {
      await manager.close();
    }
  } catch (error) {
    if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw inItsFile(config, error);
    const { message, code, exitCode } = failureOf(error);
    if (!options.json) {
      printNodes(nodes, output);
      throw error;
    }
    output.printJson({
      ok: false,
      backend: error.backend,
      url,
      error: { code, message: output.scrub(message), retryable: error.retryable },
      nodes,
    });
    return exitCode;
  }
}

function tellWell(
  { backend, capabilities }: LockManager,
  driver: string | undefined,
  url: string,
  latencyMs: number,
  nodes: readonly NodeHealth[] | undefined,
  output: Output,
): void {
  const can = Object.entries(capabilities).flatMap(([name, value]) => (value === true ? [name] : []));
  output.print(`${output.style('green', 'ok')}  ${backend} at ${url} took and freed a lock in ${latencyMs} ms`);
  const by = driver === undefined ? '' : `; driver: ${printable(driver)}`;
  output.print(
    `    it has: ${can.join(', ')}; a dead holder's locks end ${capabilities.expiry === 'ttl' ? 'by their time to live' : 'with its session'}${by}`,
  );
  printNodes(nodes, output);
}

export function printNodes(nodes: readonly NodeHealth[] | undefined, output: Output): void {
  if (nodes === undefined) return;
  const rows = nodes.map((node) => [
    printable(node.node),
    stateOf(node),
    clockOf(node),
    node.problem === null ? '-' : printable(node.problem),
  ]);
  const [head = '', ...lines] = table([['NODE', 'STATE', 'CLOCK', 'PROBLEM'], ...rows]);
  output.print([output.style('bold', head), ...lines].join('\n'));
}

function stateOf({ up, quarantinedForMs }: NodeHealth): string {
  if (!up) return 'down';
  return quarantinedForMs === null || quarantinedForMs === 0 ? 'up' : `quarantined for ${showDuration(quarantinedForMs)}`;
}

/** How far it is ahead of ours. */
function clockOf({ clockOffsetMs }: NodeHealth): string {
  if (clockOffsetMs === null) return '-';
  const sign = clockOffsetMs === 0 ? '' : clockOffsetMs < 0 ? '-' : '+';
  return `${sign}${showDuration(Math.abs(clockOffsetMs))}`;
}

/** What a driver said of a node may quote the URL. */
export function scrubbed(nodes: readonly NodeHealth[] | undefined, output: Output): readonly NodeHealth[] | undefined {
  return nodes?.map((node) => ({ ...node, problem: node.problem === null ? null : output.scrub(node.problem) }));
}
