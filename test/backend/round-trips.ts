import { readFile } from 'node:fs/promises';
import type { Lease, LockManager, PermitLease } from '@holdfast/core';
import { newName } from './requests.js';

const PAGE = new URL('../../../docs/round-trips.md', import.meta.url);

/** The columns of the table in docs/round-trips.md. */
export interface RoundTrips {
  readonly take: number;
  readonly busy: number;
  readonly free: number;
  readonly extend: number;
  /** From the message that wakes a waiter until it is granted. */
  readonly afterWait: number;
}

/** What the page says of a store. */
export async function documentedRoundTrips(store: string): Promise<RoundTrips> {
  const page = await readFile(PAGE, 'utf8');
  const row = page.split('\n').find((line) => line.startsWith(`| ${store} |`));
  const cells = row?.split('|').slice(2, 7) ?? [];
  const [take, busy, free, extend, afterWait] = cells.map((cell) => Number(/\d+/.exec(cell)?.[0]));
  if (cells.length < 5 || afterWait === undefined) throw new Error(`docs/round-trips.md has no row for ${store}`);
  return { take, busy, free, extend, afterWait } as RoundTrips;
}

export const lockKinds = {
  'a lock': (on: LockManager<bigint>, name: string) => ({
    acquire: () => on.acquire(name),
    tryAcquire: () => on.tryAcquire(name),
  }),
  'a permit': (on: LockManager<bigint>, name: string) => on.semaphore(name, { permits: 1 }),
  'a reader': (on: LockManager<bigint>, name: string) => on.readWriteLock(name).read,
  'a writer': (on: LockManager<bigint>, name: string) => on.readWriteLock(name).write,
} satisfies Record<string, (on: LockManager<bigint>, name: string) => Takeable>;
export type LockKindName = keyof typeof lockKinds;

interface Takeable {
  acquire(): Promise<Lease<bigint> | PermitLease>;
  tryAcquire(): Promise<Lease<bigint> | PermitLease | null>;
}

export interface CountedManagers {
  /** On the wire that counts. */
  readonly counted: LockManager<bigint>;
  /** Past that wire. */
  readonly other: LockManager<bigint>;
  /** How many round trips pass until it is settled, and what it settled with. */
  readonly during: <T>(work: () => Promise<T>) => Promise<readonly [number, T]>;
}

/** Takes, finds busy, extends, frees and waits, and counts; all twice, as the first time makes contact. */
export async function measureRoundTrips(kind: LockKindName, managers: CountedManagers): Promise<RoundTrips> {
  await measureOnce(kind, managers);
  return measureOnce(kind, managers);
}

async function measureOnce(kind: LockKindName, { counted, other, during }: CountedManagers): Promise<RoundTrips> {
  const kindOf = (on: LockManager<bigint>, name: string): Takeable => lockKinds[kind](on, name);
  const [take, lease] = await during(() => kindOf(counted, newName()).acquire());
  const [extend] = await during(() => lease.extend());
  const [free] = await during(() => lease.release());
  const name = newName();
  const theirs = await lockKinds[kind === 'a reader' ? 'a writer' : kind](other, name).acquire();
  const [busy, refused] = await during(() => kindOf(counted, name).tryAcquire());
  if (refused !== null) throw new Error('it was not busy');
  const waiting = kindOf(counted, name).acquire();
  // Begins when nothing is under way: when it waits.
  const [afterWait, granted] = await during(async () => {
    await theirs.release();
    return await waiting;
  });
  await granted.release();
  return { take, busy, free, extend, afterWait };
}
