import { setTimeout as sleep } from 'node:timers/promises';
import type { HoldRequest, LockBackend } from '@holdfast/core';
import { callOf, permitsOf, requestOf } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { useRedis } from './redis-harness.js';

const redis = useRedis();

const LIMIT = 5;
const LOAD_MS = 3000;

/** What holders believe, as a resource would see it. */
class Witness {
  readonly faults: string[] = [];
  grants = 0;
  readonly #holders = new Map<string, { readers: number; writers: number; permits: number; last: bigint }>();

  enter(request: HoldRequest, token: bigint): () => void {
    this.grants += 1;
    const key = `${request.mode === 'read' ? 'write' : request.mode} ${request.name}`;
    const held = this.#holders.get(key) ?? { readers: 0, writers: 0, permits: 0, last: 0n };
    this.#holders.set(key, held);
    if (request.mode === 'permits') {
      held.permits += request.permits;
      if (held.permits > LIMIT) this.faults.push(`${held.permits} of ${LIMIT} permits`);
      return () => void (held.permits -= request.permits);
    }
    if (request.mode === 'read') {
      held.readers += 1;
      if (held.writers > 0) this.faults.push('a reader beside a writer');
      return () => void (held.readers -= 1);
    }
    held.writers += 1;
    if (held.writers > 1 || held.readers > 0) this.faults.push('a holder beside others');
    if (token <= held.last) this.faults.push('a token that has not risen');
    held.last = token;
    return () => void (held.writers -= 1);
  }
}

function randomRequest(): HoldRequest {
  const name = `load-${Math.floor(Math.random() * 3)}`;
  const modes = ['exclusive', 'read', 'read', 'write', 'permits'] as const;
  const mode = modes[Math.floor(Math.random() * modes.length)] ?? 'exclusive';
  const extra = { ttlMs: 60_000 };
  return mode === 'permits' ? permitsOf(name, 1 + Math.floor(Math.random() * 3), LIMIT, extra) : requestOf(name, mode, extra);
}

async function freeForSure(backend: LockBackend<bigint>, request: HoldRequest): Promise<void> {
  await until('the release is answered', async () => (await backend.release([request], callOf())).length === 1);
}

/** Takes holds of all kinds, waits and gives up, until the time is over. */
async function work(backends: readonly LockBackend<bigint>[], witness: Witness, end: number): Promise<void> {
  while (performance.now() < end) {
    const backend = backends[Math.floor(Math.random() * backends.length)] as LockBackend<bigint>;
    const request = randomRequest();
    const giveUp = Math.random() < 0.2 ? AbortSignal.timeout(Math.ceil(Math.random() * 20)) : new AbortController().signal;
    const answer = await (backend.wait === undefined || Math.random() < 0.1
      ? backend.attempt([request], callOf()).then(([first]) => first)
      : backend.wait(request, callOf(2000, giveUp))
    ).catch(() => null);
    if (answer?.granted === true) {
      const leave = witness.enter(request, answer.fencingToken);
      if (Math.random() < 0.5) await sleep(Math.random() * 5);
      leave();
      await freeForSure(backend, request);
    } else if (answer === null) await freeForSure(backend, request);
    else await sleep(5);
  }
}

describe.each(['', ' while connections are killed and scripts forgotten'])('under load%s', (trouble) => {
  it('nobody shares what is not to be shared, nobody is forgotten, nothing is left', async () => {
    const backends = [true, true, true, false, false].map((fair) => redis.backend({ fair }));
    const witness = new Witness();
    const end = performance.now() + LOAD_MS;
    const troubles =
      trouble === ''
        ? undefined
        : setInterval(() => {
            void redis.admin.client('KILL', 'TYPE', Math.random() < 0.5 ? 'normal' : 'pubsub', 'SKIPME', 'yes');
            if (Math.random() < 0.3) void redis.admin.script('FLUSH');
          }, 300);
    const workers = Array.from({ length: 40 }, () => work(backends, witness, end));
    await sleep(LOAD_MS);
    clearInterval(troubles);
    await Promise.all(workers);
    expect(witness.faults).toEqual([]);
    expect(witness.grants).toBeGreaterThan(100);
    await until('only fences are left', async () => (await redis.admin.keys('*load-*')).length === 0);
  });
});
