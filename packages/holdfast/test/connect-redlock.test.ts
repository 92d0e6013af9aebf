import { type RedisNodes, reservePort, startRedis, startRedisNodes } from '@holdfast/test/servers';
import { connect, isLockError } from 'holdfast';
import { initializeNodes } from 'holdfast/redlock';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from './cli-process.js';

let started: RedisNodes;

beforeAll(async () => {
  started = await startRedisNodes(3);
  await initializeNodes({ urls: started.urls });
});
afterAll(async () => {
  await started.close();
});

describe("connect('redlock://...')", () => {
  it('opens a manager on a majority of the nodes, with options in the URL', async () => {
    const hosts = started.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const locks = await connect(`redlock://${hosts}?prefix=app:&nodeTimeoutMs=900&ttlMs=20000`, { require: ['fencing', 'marks'] });
    const other = await connect(`redlock://${hosts}`, { prefix: 'app:', driftFactor: 0.02 });
    expect(locks.backend).toBe('redlock');
    const lease = await locks.acquire('name');
    expect(lease.fencingToken).toBeTypeOf('bigint');
    expect(await other.tryAcquire('name')).toBeNull();
    await lease.release();
    const health = await locks.checkHealth();
    expect(health.nodes?.map(({ up, quarantinedForMs, problem }) => ({ up, quarantinedForMs, problem }))).toEqual(
      Array.from({ length: 3 }, () => ({ up: true, quarantinedForMs: 0, problem: null })),
    );
    await Promise.all([locks.close(), other.close()]);
  });

  it('is looked at by holdfast health, node by node', async () => {
    const hosts = started.nodes.map(({ port }) => `127.0.0.1:${port}`);
    const reserved = await reservePort();
    const gone = `127.0.0.1:${reserved.port}`;
    const url = `redlock://${hosts.join(',')},${gone}?commandTimeoutMs=10000`;
    const told = await runCli(['health'], { url });
    expect({ code: told.code, stderr: told.stderr }).toEqual({ code: 0, stderr: '' });
    const [ok, , ...lines] = told.stdout.trimEnd().split('\n');
    expect(ok).toMatch(/^ok {2}redlock at redlock:/);
    expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
      ['NODE', 'STATE', 'CLOCK', 'PROBLEM'],
      ...hosts.map((host, index) => [
        `node ${index + 1}, ${host}`,
        'up',
        expect.stringMatching(/^(?:0|[+-]\d+(?:\.\d+)?)m?s$/) as string,
        '-',
      ]),
      [`node 4, ${gone}`, 'down', '-', expect.stringContaining('ECONNREFUSED')],
    ]);

    // Of four, three are needed: the node that nobody has initialized abstains, and another one is away.
    await using fresh = await startRedis({ config: {} });
    const few = `redlock://${hosts[0]},${hosts[1]},${fresh.url.replace('redis://', '')},${gone}?commandTimeoutMs=10000`;
    const json = await runCli(['health', '--json'], { url: few });
    expect(json.code).toBe(69);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      error: { code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true },
      nodes: [
        { up: true, quarantinedForMs: 0, clockOffsetMs: expect.any(Number) as number, problem: null },
        { up: true, quarantinedForMs: 0 },
        { up: true, quarantinedForMs: expect.toSatisfy((ms: number) => ms > 0) as number },
        { up: false, quarantinedForMs: null, clockOffsetMs: null },
      ],
    });
    const table = await runCli(['health'], { url: few });
    expect(table.code).toBe(69);
    expect(table.stdout).toMatch(/^NODE +STATE +CLOCK +PROBLEM\n/);
    expect(table.stdout).toMatch(/\nnode 3, [\d.:]+ +quarantined for \w+ /);
    expect(table.stderr).toMatch(/^holdfast: redlock:[^\n]+\n$/);
    reserved.release();
  }, 60_000);

  it('says what is wrong and shows no password', async () => {
    const secret = 'secret-word';
    const wrong: readonly (readonly [() => Promise<unknown>, string])[] = [
      [() => connect(`redlock://me:${secret}@127.0.0.1:1,127.0.0.1:2`, { commandTimeoutMs: 300 }), 'LOCK_BACKEND_UNAVAILABLE'],
      [() => connect(`redlock://me:${secret}@127.0.0.1:x`), 'LOCK_INVALID_ARGUMENT'],
      [() => connect(`redlock://me:${secret}@127.0.0.1:1,127.0.0.1:1`), 'LOCK_INVALID_ARGUMENT'],
      [() => connect(`redlock://me:${secret}@127.0.0.1:1,,127.0.0.1:2`), 'LOCK_INVALID_ARGUMENT'],
      [() => connect(`redlock://me:${secret}@127.0.0.1:1,me:${secret}@127.0.0.1:2,127.0.0.1:3`), 'LOCK_INVALID_ARGUMENT'],
      [() => connect(`redlock://:${secret}@127.0.0.1:1,127.0.0.1:2,127.0.0.1:3?quorum=1`), 'LOCK_INVALID_ARGUMENT'],
      [() => connect('redlock://127.0.0.1:1,127.0.0.1:2', { fair: true } as object), 'LOCK_INVALID_ARGUMENT'],
    ];
    for (const [open, code] of wrong) {
      const error = await open().then(
        () => new Error('it was opened'),
        (reason: unknown) => reason,
      );
      if (!isLockError(error)) throw new Error('not one of ours', { cause: error });
      expect(error.code).toBe(code);
      expect(`${JSON.stringify(error)} ${error.stack} ${String(error.cause)}`).not.toContain(secret);
    }
  });
});
