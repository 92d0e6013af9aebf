import type { Lease, LockManager } from '@holdfast/core';
import { createRedisLockManager } from '@holdfast/redis';
import { Redis } from 'ioredis';
import { FencedRegister, type RegisterAnswer } from './fenced-register.js';

/** What this process can be asked to do, and with what. */
export interface Orders {
  /** First of all, and again for the next test: which lock the orders that follow are about. */
  readonly join: { readonly name: string; readonly mode: string };
  readonly acquire: { readonly ttlMs: number };
  readonly look: object;
  readonly release: object;
  readonly 'await-loss': object;
  readonly abandon: object;
  readonly write: { readonly value: number };
  readonly count: { readonly times: number };
  readonly 'count-fenced': { readonly times: number; readonly ttlMs: number };
}

export type OrderTo<T extends keyof Orders> = { readonly to: T } & Orders[T];
type Order = { [T in keyof Orders]: OrderTo<T> }[keyof Orders];

/** What it answers to each. It exits on `abandon`, and so never answers. */
export interface Answers {
  readonly join: object;
  readonly acquire: { readonly token: bigint };
  readonly look: { readonly isHeld: boolean; readonly remainingMs: number };
  readonly release: { readonly freed: boolean };
  readonly 'await-loss': { readonly reason: unknown };
  readonly abandon: never;
  /** `believed`: whether the lease said that it was held, at the moment when the write was sent. */
  readonly write: RegisterAnswer & { readonly believed: boolean };
  readonly count: { readonly tokens: readonly bigint[] };
  readonly 'count-fenced': { readonly accepted: number };
}

export interface Reply {
  readonly id: number;
  readonly answer?: Answers[keyof Answers];
  readonly error?: string;
}

const [url = ''] = process.argv.slice(2);
const redis = new Redis(url);
let place: { readonly name: string; readonly manager: LockManager<bigint>; readonly register: FencedRegister } | null = null;
let lease: Lease<bigint> | null = null;

function joined() {
  if (place === null) throw new Error('nothing was joined yet');
  return place;
}

function held(): Lease<bigint> {
  if (lease === null) throw new Error('nothing was acquired yet');
  return lease;
}

/** Lost updates are what happens to this without a lock: it reads, does something else, and writes. */
async function count(times: number): Promise<Answers['count']> {
  const { name, manager } = joined();
  const tokens: bigint[] = [];
  for (let done = 0; done < times; done += 1) {
    await manager.withLock(name, { ttlMs: 10_000 }, async ({ fencingToken }) => {
      const value = Number(await redis.get(`{${name}}:counter`));
      tokens.push(fencingToken);
      await redis.set(`{${name}}:counter`, value + 1, 'EX', 600);
    });
  }
  return { tokens };
}

/** Counts in the register until `times` of its writes were accepted, whatever befalls it meanwhile. */
async function countFenced(times: number, ttlMs: number): Promise<Answers['count-fenced']> {
  const { name, manager, register } = joined();
  for (let accepted = 0; accepted < times; ) {
    const turn = await manager.acquire(name, { ttlMs });
    const before = await register.read(turn.fencingToken);
    if (before.accepted && (await register.write(turn.fencingToken, before.value + 1)).accepted) accepted += 1;
    await turn.release();
  }
  return { accepted: times };
}

async function obey(order: Order): Promise<Answers[keyof Answers]> {
  switch (order.to) {
    case 'join': {
      const { name, mode } = order;
      await place?.manager.close();
      place = { name, manager: createRedisLockManager({ url, fair: mode === 'fair' }), register: new FencedRegister(redis, name) };
      lease = null;
      return {};
    }
    case 'acquire':
      lease = await joined().manager.acquire(joined().name, { ttlMs: order.ttlMs });
      return { token: lease.fencingToken };
    case 'look':
      return { isHeld: held().isHeld, remainingMs: held().remainingMs };
    case 'release':
      return { freed: await held().release() };
    case 'await-loss': {
      const { signal } = held();
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      return { reason: (signal.reason as { readonly reason?: unknown }).reason };
    }
    case 'abandon':
      return process.exit(0);
    case 'write': {
      // On purpose without a look at isHeld first: this is the writer that forgot to look, or was stopped just after it had.
      const believed = held().isHeld;
      return { ...(await joined().register.write(held().fencingToken, order.value)), believed };
    }
    case 'count':
      return count(order.times);
    case 'count-fenced':
      return countFenced(order.times, order.ttlMs);
    default:
      return order satisfies never;
  }
}

process.on('message', ({ id, order }: { readonly id: number; readonly order: Order }) => {
  obey(order).then(
    (answer) => process.send?.({ id, answer } satisfies Reply),
    (error: unknown) => process.send?.({ id, error: String(error) } satisfies Reply),
  );
});
process.once('disconnect', () => process.exit(0));
