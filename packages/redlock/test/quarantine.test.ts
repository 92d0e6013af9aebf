import { createLockManager, isLockError, type LockBackend, type LockUnavailableError, systemClock } from '@holdfast/core';
import { createRedlockBackend, initializeNodes } from '@holdfast/redlock';
import { attempt, callOf, free, newName, requestOf, take } from '@holdfast/test/backend';
import { type RedisNodes, startRedisNodes, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { type OptionsHere, reachedBy } from './redlock-harness.js';

// The quarantine is this and its guard, a tenth.
const MAX_TTL_MS = 1500;
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function startNodes(count: number, config: Record<string, string> = {}): Promise<RedisNodes> {
  const nodes = await startRedisNodes(count, { config });
  open.push(nodes);
  return nodes;
}

function backendOn(urls: readonly string[], options: OptionsHere = {}): LockBackend<bigint> {
  const backend = createRedlockBackend(reachedBy(urls, { maxTtlMs: MAX_TTL_MS, ...options }));
  open.push(backend);
  return backend;
}

async function newDeployment(count: number, config?: Record<string, string>): Promise<{ nodes: RedisNodes; backend: LockBackend<bigint> }> {
  const nodes = await startNodes(count, config);
  await initializeNodes({ urls: nodes.urls, maxTtlMs: MAX_TTL_MS });
  return { nodes, backend: backendOn(nodes.urls) };
}

async function failure(promise: Promise<unknown>): Promise<LockUnavailableError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw new Error('not refused as unavailable', { cause: error });
  return error;
}

function server(nodes: RedisNodes, index: number): RedisNodes['nodes'][number] {
  const node = nodes.nodes[index];
  if (node === undefined) throw new RangeError('no such node');
  return node;
}

async function admin(nodes: RedisNodes, index: number, ask: (client: Redis) => Promise<unknown>): Promise<void> {
  const client = new Redis(server(nodes, index).port);
  await ask(client);
  client.disconnect();
}

async function healthOf(backend: LockBackend<bigint>): Promise<readonly string[]> {
  const nodes = (await backend.checkHealth(callOf())) ?? [];
  return nodes.map(({ up, quarantinedForMs, problem }) =>
    !up ? 'down' : (quarantinedForMs ?? 0) > 0 ? `quarantined: ${problem ?? 'known'}` : (problem ?? 'well'),
  );
}

describe('a new deployment', () => {
  it('is in quarantine from its first contact, and takes part after it', async () => {
    const nodes = await startNodes(3);
    const backend = backendOn(nodes.urls);
    expect(await healthOf(backend)).toEqual(Array.from({ length: 3 }, () => 'quarantined: it is new, or was emptied'));
    const start = performance.now();
    const refused = await failure(attempt(backend, requestOf(newName(), 'exclusive', { ttlMs: 1000 })));
    expect(refused.retryable).toBe(true);
    expect(refused.message).toContain('in quarantine');
    // Two of them decided; the third hears of it a little later.
    await until('all know', async () => (await healthOf(backend)).every((each) => each === 'quarantined: known'), { everyMs: 5 });
    await until('the quarantine is over', async () => (await healthOf(backend)).every((each) => each === 'well'), {
      timeoutMs: 5000,
      everyMs: 20,
    });
    // The first contact was a little after the start was read.
    expect(performance.now() - start).toBeGreaterThan(MAX_TTL_MS);
    await take(backend, requestOf(newName(), 'exclusive', { ttlMs: 1000 }));
  });

  it('works at once with initializeNodes, which refuses when one node has been in use, and changes none then', async () => {
    const { nodes, backend } = await newDeployment(3);
    await take(backend, requestOf(newName(), 'exclusive', { ttlMs: 1000 }));
    const again = await failure(initializeNodes({ urls: nodes.urls, maxTtlMs: MAX_TTL_MS }));
    expect(again.retryable).toBe(false);

    const others = await startNodes(2);
    const mixed = [...others.urls, nodes.urls[0] ?? ''];
    expect((await failure(initializeNodes({ urls: mixed, maxTtlMs: MAX_TTL_MS }))).message).toContain('node 3');
    expect(await healthOf(backendOn(others.urls))).toEqual(Array.from({ length: 2 }, () => 'quarantined: it is new, or was emptied'));
  });

  it('is refused by initializeNodes while a node is down, or is given under two names', async () => {
    const nodes = await startNodes(3);
    await server(nodes, 2).kill();
    await failure(initializeNodes({ urls: nodes.urls, maxTtlMs: MAX_TTL_MS }));
    const [first = ''] = nodes.urls;
    const twice = await failure(initializeNodes({ urls: [first, first.replace('127.0.0.1', 'localhost')], maxTtlMs: MAX_TTL_MS }));
    expect(twice.message).toContain('same server');
    await server(nodes, 2).restart();
    await initializeNodes({ urls: nodes.urls, maxTtlMs: MAX_TTL_MS });
  });

  it('refuses clients with another maxTtlMs, permanently', async () => {
    const { nodes } = await newDeployment(3);
    const other = backendOn(nodes.urls, { maxTtlMs: 2 * MAX_TTL_MS });
    const refused = await failure(attempt(other, requestOf(newName(), 'exclusive', { ttlMs: 1000 })));
    expect(refused.retryable).toBe(false);
    expect(refused.message).toContain('maxTtlMs');
    expect(await healthOf(other)).toEqual(Array.from({ length: 3 }, () => `it was set up with maxTtlMs ${MAX_TTL_MS}`));
  });

  it('refuses a ttl that is longer than the quarantine', async () => {
    const { backend } = await newDeployment(1);
    const manager = createLockManager(backend);
    const error = await manager.acquire('x', { ttlMs: MAX_TTL_MS + 1 }).catch((reason: unknown) => reason);
    expect(isLockError(error, 'LOCK_INVALID_ARGUMENT') && error.option).toBe('ttlMs');
    await (await manager.acquire('x', { ttlMs: MAX_TTL_MS })).release();
    await manager.close();
  });
});

describe('a node that goes and comes back', () => {
  it('is reported as a change, once each: away, in quarantine, takes part', async () => {
    const { nodes, backend } = await newDeployment(3);
    const seen: string[] = [];
    const manager = createLockManager(backend, {
      onEvent: (event) => {
        if (event.type !== 'node-changed') return;
        const { node, up, quarantinedForMs, problem } = event.health;
        expect(node).toContain(String(server(nodes, 1).port));
        seen.push(!up ? 'away' : (quarantinedForMs ?? 0) > 0 ? 'rests' : (problem ?? 'takes part'));
      },
    });
    const work = (): Promise<void> => manager.withLock(newName(), { ttlMs: 1000 }, () => {});
    const worksUntil = async (what: string, length: number): Promise<void> =>
      await until(what, async () => {
        await work();
        return seen.length === length;
      });
    await work();
    expect(seen).toEqual([]);
    await server(nodes, 1).kill();
    await worksUntil('it is away', 1);
    await work();
    await server(nodes, 1).restart();
    await worksUntil('it takes part', 3);
    expect(seen).toEqual(['away', 'rests', 'takes part']);
    await manager.close();
  });
});

describe('the clock of a node', () => {
  it('is reported by a check of its health, and once more only when it is off by more or less', async () => {
    const { nodes, backend } = await newDeployment(3);
    const seen: (number | null)[] = [];
    const aheadMs = { now: 0 };
    const clock = { ...systemClock, wall: () => systemClock.wall() - aheadMs.now };
    const manager = createLockManager(backend, {
      clock,
      onEvent: (event) => {
        if (event.type === 'node-changed') seen.push(event.health.clockOffsetMs);
      },
    });
    await manager.checkHealth();
    expect(seen).toHaveLength(nodes.nodes.length);
    aheadMs.now = 60_000;
    await manager.checkHealth();
    expect(seen).toHaveLength(2 * nodes.nodes.length);
    for (const offsetMs of seen.slice(nodes.nodes.length)) expect(offsetMs).toBeGreaterThan(50_000);
    await manager.close();
  });
});

describe.each([
  ['without AOF', {}],
  ['with AOF', { appendonly: 'yes', appendfsync: 'always' }],
] as const)('nodes that are killed and restarted, %s', (_, config) => {
  it('abstain, so that a lock that they forgot is not granted twice, and tokens rise', async () => {
    const { nodes, backend } = await newDeployment(3, config);
    const other = backendOn(nodes.urls);
    const request = requestOf(newName(), 'exclusive', { ttlMs: 1400 });
    const { fencingToken } = await take(backend, request);
    const grantedAt = performance.now();
    // The third's vote may still be on its way.
    await until('all have it', async () => (await backend.inspect(request.name, 'lock', callOf())).held);
    for (const index of [0, 1]) {
      await server(nodes, index).kill();
      await server(nodes, index).restart();
    }
    // Two of three are as good as new: without the quarantine they would make a majority of their own.
    let next: bigint | null = null;
    await until(
      'somebody else has it',
      async () => {
        try {
          const answer = await attempt(other, { ...request, owner: requestOf('x').owner }, 500);
          if (answer.granted) next = answer.fencingToken;
          return answer.granted;
        } catch (error) {
          if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) return false;
          throw error;
        }
      },
      { timeoutMs: 8000, everyMs: 10 },
    );
    expect(performance.now() - grantedAt).toBeGreaterThan(1400);
    expect(next ?? 0n).toBeGreaterThan(fencingToken);
  });
});

describe('a node', () => {
  it('that was emptied abstains, while the others go on, and its vote is put back afterwards', async () => {
    const { nodes, backend } = await newDeployment(3);
    const request = requestOf(newName(), 'exclusive', { ttlMs: 1400 });
    await take(backend, request);
    await admin(nodes, 0, (client) => client.flushall());
    const renewal = { ...request, ttlMs: 1400 };
    expect(await backend.renew([renewal], callOf())).toEqual([true]);
    // The others decided; its own answer may come later.
    await until('it has noticed', async () => (await healthOf(backend)).join() === 'quarantined: known,well,well');
    await until(
      'the vote is back',
      async () => {
        expect(await backend.renew([renewal], callOf())).toEqual([true]);
        let count = 0;
        await admin(nodes, 0, async (client) => {
          count = await client.exists(`holdfast:${request.name}`);
        });
        return count === 1;
      },
      { timeoutMs: 5000, everyMs: 100 },
    );
    // It counts again: another one may be lost.
    await server(nodes, 1).kill();
    expect(await backend.renew([renewal], callOf())).toEqual([true]);
    expect(await free(backend, request)).toBe(true);
  });

  it('that is down is reported by checkHealth, and locks go on', async () => {
    const { nodes, backend } = await newDeployment(3);
    await server(nodes, 1).kill();
    const manager = createLockManager(backend, { ttlMs: 1000 });
    const health = await manager.checkHealth();
    expect(health.ok).toBe(true);
    expect(health.nodes?.map(({ up }) => up)).toEqual([true, false, true]);
    expect(health.nodes?.[0]?.clockOffsetMs).toBeLessThan(1000);
    await server(nodes, 2).kill();
    const worse = await manager.checkHealth();
    expect(worse.ok).toBe(false);
    expect(worse.nodes?.map(({ up }) => up)).toEqual([true, false, false]);
    await manager.close();
  });
});
