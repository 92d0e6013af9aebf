import { createMemoryLockManager } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore, type ManualClock } from '@holdfast/core/testing';
import { createElection, type Election, type Leadership } from '@holdfast/election';

const CANDIDATES = 4;
const FAULTS = 40;
const TTL_MS = 3_000;
const RETRY_MS = 200;
/** What the slowest task needs after its signal; longer than a leader has before its deadline, sometimes. */
const SLOWEST_END_MS = 4_000;

/** What one seed has shown. */
export interface RandomElection {
  readonly terms: readonly bigint[];
  /** What must not be, in words; empty when all is well. */
  readonly faults: readonly string[];
}

interface Candidate {
  readonly name: string;
  readonly link: ReturnType<ReturnType<typeof createTestMemoryStore>['peer']>;
  election: Election;
  run: Promise<void>;
}

/** A leader as its task sees itself. */
interface Leading {
  readonly name: string;
  readonly leadership: Leadership;
}

/**
 * Candidates of several managers on one store, by a clock that only this moves, while the seed cuts connections, loses answers, takes the lead away, lets tasks
 * end late, fail, return and resign, and replaces candidates. After each event and between them it holds what is promised.
 */
export async function runRandomElection(seed: number): Promise<RandomElection> {
  const clock = createManualClock({ seed });
  const store = createTestMemoryStore({ clock });
  const terms: bigint[] = [];
  const faults: string[] = [];
  const leading = new Set<Leading>();
  const candidates: Candidate[] = [];

  // Whom an operator takes the lead away from learns of it by its next renewal, and may be at work beside the next one until then.
  let forced = 0n;
  const look = (when: string): void => {
    const believing = [...leading].filter(
      ({ leadership: { signal, lease } }) => !signal.aborted && lease.isHeld && lease.fencingToken > forced,
    );
    if (believing.length > 1) faults.push(`${when}: ${believing.map(({ name }) => name).join(' and ')} lead`);
  };

  const task = (name: string) => async (leadership: Leadership) => {
    const self = { name, leadership };
    const { fencingToken } = leadership.lease;
    if ([...leading].some((other) => other.name === name)) faults.push(`${name} leads beside a task of its own`);
    if (fencingToken <= (terms.at(-1) ?? 0n)) faults.push(`${name}: the term ${fencingToken} comes after ${terms.at(-1)}`);
    terms.push(fencingToken);
    leading.add(self);
    look(`${name} was elected`);
    try {
      const leadsMs = clock.random() < 0.3 ? clock.random() * 5_000 : null;
      await ended(clock, leadership.signal, leadsMs);
      if (leadership.signal.aborted && clock.random() < 0.3) await pause(clock, clock.random() * SLOWEST_END_MS);
      else if (!leadership.signal.aborted && clock.random() < 0.3) leadership.resign();
      if (clock.random() < 0.2) throw new Error('the task failed');
      leadership.signal.throwIfAborted();
    } finally {
      leading.delete(self);
    }
  };

  const start = (name: string, link: Candidate['link']): Candidate => {
    const locks = createMemoryLockManager({ store: link, clock, commandTimeoutMs: 500, unavailableAfterMs: 2_000 });
    const election = createElection(locks, 'random', { ttlMs: TTL_MS, retryMs: RETRY_MS, label: name });
    const run = (async () => {
      try {
        await election.run(task(name), { onTaskError: 'campaign' });
      } finally {
        await locks.close();
      }
    })();
    run.catch((error: unknown) => faults.push(`${name}: run rejected with ${String(error)}`));
    return { name, link, election, run };
  };

  for (let number = 0; number < CANDIDATES; number += 1) candidates.push(start(`candidate ${number}`, store.peer()));
  const watcher = createMemoryLockManager({ store: store.peer(), clock });
  const stop = new AbortController();
  const observed = follow(createElection(watcher, 'random').observe({ signal: stop.signal, everyMs: 1_000 }), faults);

  for (let number = 0; number < FAULTS; number += 1) {
    const index = Math.floor(clock.random() * candidates.length);
    const victim = candidates[index];
    if (victim === undefined) continue;
    const what = clock.random();
    if (what < 0.2) victim.link.disconnect({ silent: clock.random() < 0.5 });
    else if (what < 0.5) victim.link.reconnect();
    else if (what < 0.6) victim.link.failNext('attempt', { performed: true });
    else if (what < 0.7) victim.link.failNext('renew');
    else if (what < 0.8) {
      forced = (await watcher.inspect('election/random')).holders[0]?.fencingToken ?? forced;
      await watcher.forceRelease('election/random');
    } else if (what < 0.9) {
      victim.link.reconnect();
      const closed = victim.election.close();
      await clock.advance(SLOWEST_END_MS + 1_000);
      await closed;
      candidates[index] = start(`${victim.name}'`, victim.link);
    } else victim.election.resign();
    await clock.settle();
    look(`fault ${number}`);
    for (let steps = Math.floor(clock.random() * 6); steps >= 0; steps -= 1) {
      await clock.advance(Math.floor(clock.random() * 800));
      look(`after fault ${number}`);
    }
  }

  // All is well again, so somebody leads soon: after what a task that hangs on may take, the longest ttl, and the longest pauses.
  for (const { link } of candidates) link.reconnect();
  const before = terms.length;
  for (let waited = 0; waited < 120_000 && leading.size === 0 && terms.length === before; waited += 500) await clock.advance(500);
  if (leading.size === 0 && terms.length === before) faults.push('nobody leads, though all is well');

  stop.abort();
  const closed = Promise.all(candidates.map(({ election }) => election.close()));
  await clock.advance(2 * SLOWEST_END_MS);
  await closed;
  await Promise.all([...candidates.map(({ run }) => run.catch(() => {})), observed]);
  const ending = watcher.close();
  await clock.advance(5_000);
  await ending;
  if (store.size > 0) faults.push(`${store.size} holds are left`);
  return { terms, faults };
}

async function follow(leaders: AsyncIterable<{ readonly term: bigint } | null>, faults: string[]): Promise<void> {
  let last = 0n;
  for await (const leader of leaders) {
    if (leader === null) continue;
    if (leader.term < last) faults.push(`an observer was given ${leader.term} after ${last}`);
    last = leader.term;
  }
}

function pause(clock: ManualClock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(ms, resolve));
}

/** Until the signal aborts, or for so long. */
async function ended(clock: ManualClock, signal: AbortSignal, ms: number | null): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
    if (ms !== null) clock.setTimer(ms, resolve);
  });
}
