import type { Mutant } from './mutant.js';
import type { Scenario } from './scenario.js';
import { play } from './simulate.js';
import type { StoreKind } from './store.js';

/** No longer than this is looked for something smaller. */
const MOST_TRIES = 400;

/**
 * Makes a failing scenario small: leaves out one thing after another, and keeps it out where the same rule is still broken.
 *
 * @returns the scenario itself where nothing of it can be spared
 */
export async function shrink<M extends Mutant>(kind: StoreKind<M>, scenario: Scenario, mutant: M, rule: string): Promise<Scenario> {
  let small = scenario;
  let tries = 0;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const smaller of smallerThan(small)) {
      if (++tries > MOST_TRIES) return small;
      // oxlint-disable-next-line no-await-in-loop
      const { violation } = await play(kind, smaller, mutant);
      if (violation?.rule !== rule) continue;
      small = smaller;
      isSmaller = true;
      break;
    }
  }
  return small;
}

/** The same scenario with one thing less, those first that leave out most. */
function* smallerThan(scenario: Scenario): Iterable<Scenario> {
  const { calls, clients, forced, weather } = scenario;
  const half = Math.ceil(calls.length / 2);
  if (calls.length > 2) {
    yield { ...scenario, calls: calls.slice(0, half) };
    yield { ...scenario, calls: calls.slice(half) };
  }
  for (const call of calls) yield { ...scenario, calls: calls.filter((other) => other !== call) };
  if (forced.length > 0) yield { ...scenario, forced: [] };
  if (scenario.serverJump !== null) yield { ...scenario, serverJump: null };
  for (const [number, client] of clients.entries()) {
    const without = (changes: Partial<typeof client>): Scenario => ({
      ...scenario,
      clients: clients.map((other, index) => (index === number ? { ...client, ...changes } : other)),
    });
    if (client.end !== null) yield without({ end: null });
    for (const fault of client.faults) yield without({ faults: client.faults.filter((other) => other !== fault) });
  }
  for (const fault of ['duplicates', 'abandons', 'loses', 'straggles'] as const) {
    if (weather[fault] > 0) yield { ...scenario, weather: { ...weather, [fault]: 0 } };
  }
  for (const [index, call] of calls.entries()) {
    const replaced = (changes: Partial<typeof call>): Scenario => ({ ...scenario, calls: calls.with(index, { ...call, ...changes }) });
    if (call.extend !== null) yield replaced({ extend: null });
    if (call.abortAfterMs !== null) yield replaced({ abortAfterMs: null });
    if (call.maxHoldMs !== null) yield replaced({ maxHoldMs: null });
  }
}
