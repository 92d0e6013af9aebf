import type { LockBackend } from '@holdfast/core';
import { free, newName, requestOf, take } from '@holdfast/test/backend';
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

/** The tokens of four holds, one after another, on a server whose clock stands an hour behind the first of them. */
async function tokensBehindTheClock(backend: LockBackend<bigint>, mode: 'exclusive' | 'write'): Promise<readonly bigint[]> {
  const name = newName();
  const tokens: bigint[] = [];
  for (let i = 0; i < 4; i += 1) {
    const request = requestOf(name, mode);
    const { fencingToken } = await take(backend, request);
    tokens.push(fencingToken);
    await free(backend, request);
    if (i > 0) continue;
    for (const key of await redis.admin.keys('holdfast.{*}:fence')) await redis.admin.set(key, String(fencingToken + 3_600_000_000n));
  }
  for (const key of await redis.admin.keys('holdfast.{*}:fence')) await redis.admin.del(key);
  return tokens;
}

const steps = (tokens: readonly bigint[]): readonly bigint[] => tokens.slice(2).map((token, index) => token - (tokens[index + 1] ?? 0n));

describe.each(['exclusive', 'write'] as const)("while the server's clock stands behind them, tokens (%s)", (mode) => {
  it('rise with every grant', async () => {
    expect(steps(await tokensBehindTheClock(redis.backend({ client: newClient() }), mode))).toEqual([1n, 1n]);
  });

  it('do not where a fence is raised and not stored, which is noticed', async () => {
    const { client, changes } = forgetRaisedFences(newClient());
    expect(steps(await tokensBehindTheClock(redis.backend({ client }), mode)).every((step) => step > 0n)).toBe(false);
    expect(changes()).toBeGreaterThan(0);
  });
});
