import type { LockBackend } from '@holdfast/core';
import { callOf, freeAll, newName, requestOf } from '@holdfast/test/backend';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgetRaisedFences } from './mutants/fence-not-stored.js';
import { useRedis } from './redis-harness.js';

const redis = useRedis();

function newClient(): Redis {
  const client = new Redis(redis.server.port);
  onTestFinished(() => client.disconnect());
  return client;
}

type Way = 'exclusive' | 'write' | 'exclusive, with another';

/** The tokens of four holds, one after another, on a server whose clock stands an hour behind the first of them. */
async function tokensBehindTheClock(backend: LockBackend<bigint>, way: Way): Promise<readonly bigint[]> {
  const [name, other] = [newName(), newName()];
  const tokens: bigint[] = [];
  for (let i = 0; i < 4; i += 1) {
    const request = requestOf(name, way === 'write' ? 'write' : 'exclusive');
    // What is asked for together shares a script, and is given one token.
    const all = way === 'exclusive, with another' ? [request, requestOf(other)] : [request];
    const [answer] = await backend.attempt(all, callOf());
    if (answer?.granted !== true) throw new Error('not granted');
    const { fencingToken } = answer;
    tokens.push(fencingToken);
    await freeAll(backend, all);
    if (i > 0) continue;
    for (const key of await redis.admin.keys('holdfast.{*}:fence')) await redis.admin.set(key, String(fencingToken + 3_600_000_000n));
  }
  for (const key of await redis.admin.keys('holdfast.{*}:fence')) await redis.admin.del(key);
  return tokens;
}

const steps = (tokens: readonly bigint[]): readonly bigint[] => tokens.slice(2).map((token, index) => token - (tokens[index + 1] ?? 0n));

describe.each<Way>(['exclusive', 'write', 'exclusive, with another'])("while the server's clock stands behind them, tokens (%s)", (way) => {
  it('rise with every grant', async () => {
    expect(steps(await tokensBehindTheClock(redis.backend({ client: newClient() }), way))).toEqual([1n, 1n]);
  });

  it('do not where a fence is raised and not stored, which is noticed', async () => {
    const { client, changes } = forgetRaisedFences(newClient());
    expect(steps(await tokensBehindTheClock(redis.backend({ client }), way)).every((step) => step > 0n)).toBe(false);
    expect(changes()).toBeGreaterThan(0);
  });
});
