import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startRedisCluster } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { useRedis } from './redis-harness.js';

const redis = useRedis();

/** Runs a program that opens a backend, takes a lock, waits for another, and never closes anything. */
async function run(
  options: object,
  isWaiting: boolean,
): Promise<{ readonly code: number | null; readonly output: string; readonly ms: number }> {
  const program = `
    import { createRedisBackend } from '@holdfast/redis';
    import { systemClock } from '@holdfast/core';
    // As core does while calls are pending.
    const stay = setInterval(() => {}, 1000);
    const backend = createRedisBackend(${JSON.stringify(options)});
    const call = { timeoutMs: 2000, signal: new AbortController().signal, clock: systemClock };
    const request = (owner) => ({ name: 'n' + process.pid, owner: owner.repeat(32), label: '', ttlMs: 5000, mode: 'exclusive' });
    const [answer] = await backend.attempt([request('a')], call);
    if (${isWaiting}) {
      const leaving = new AbortController();
      const waiting = backend.wait(request('b'), { ...call, signal: leaving.signal }).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 500));
      leaving.abort(new Error('enough'));
      await waiting;
    }
    console.log(answer.granted, Date.now());
    clearInterval(stay);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output, ms: Date.now() - Number(output.split(' ')[1]) };
}

describe('a process that is done', () => {
  it.each([false, true])('ends though it has closed nothing, waiting: %s', async (isWaiting) => {
    const { code, output, ms } = await run({ url: redis.server.url }, isWaiting);
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringMatching(/^true/) as string });
    expect(ms).toBeLessThan(2000);
  });

  it('ends so with a cluster, too', async () => {
    await using cluster = await startRedisCluster();
    const { code, output, ms } = await run({ url: cluster.url }, true);
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringMatching(/^true/) as string });
    expect(ms).toBeLessThan(2000);
  });

  it('does not stay for a server that is not there', async () => {
    const { code, output } = await run({ url: 'redis://127.0.0.1:1' }, false);
    expect(code).toBe(1);
    expect(output).toContain('LockUnavailableError: redis: the connection failed (ECONNREFUSED)');
  });
});
