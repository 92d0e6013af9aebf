import { isLockError } from '@holdfast/core';
import { attempt, callOf, free, newName, requestOf, take } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { useRedis } from './redis-harness.js';

const redis = useRedis();

describe('a lock', () => {
  it('is granted once, and busy for others with the time that is left', async () => {
    const backend = redis.backend();
    const peer = redis.backend();
    const request = requestOf(newName(), 'exclusive', { ttlMs: 5000 });
    const { fencingToken } = await take(backend, request);
    expect(fencingToken).toBeGreaterThan(1_600_000_000_000_000n);
    const answer = await attempt(peer, requestOf(request.name));
    expect(answer.granted).toBe(false);
    expect(!answer.granted && answer.remainingMs).toBeGreaterThan(3000);
    expect(!answer.granted && answer.remainingMs).toBeLessThanOrEqual(5000);
  });

  it('answers the same grant to the same owner, and keeps it as long as the second request says', async () => {
    const backend = redis.backend();
    const request = requestOf(newName(), 'exclusive', { ttlMs: 4000 });
    const first = await take(backend, request);
    const second = await take(backend, { ...request, ttlMs: 9000 });
    expect(second.fencingToken).toBe(first.fencingToken);
    expect(await redis.admin.pttl(`holdfast:${request.name}`)).toBeGreaterThan(5000);
  });

  it('stands at prefix + name as token:fence:label with PX', async () => {
    const backend = redis.backend({ prefix: 'app:' });
    const request = requestOf(newName(), 'exclusive', { label: 'host:1:x' });
    const { fencingToken } = await take(backend, request);
    expect(await redis.admin.get(`app:${request.name}`)).toBe(`${request.owner}:${fencingToken}:host:1:x`);
    expect(await redis.admin.pttl(`app:${request.name}`)).toBeGreaterThan(0);
  });

  it('is renewed and released by its owner only', async () => {
    const backend = redis.backend();
    const request = requestOf(newName(), 'exclusive', { ttlMs: 2000 });
    const stranger = requestOf(request.name);
    await take(backend, request);
    expect(
      await backend.renew(
        [
          { ...request, ttlMs: 8000 },
          { ...stranger, ttlMs: 8000 },
        ],
        callOf(),
      ),
    ).toEqual([true, false]);
    expect(await redis.admin.pttl(`holdfast:${request.name}`)).toBeGreaterThan(5000);
    expect(await free(backend, stranger)).toBe(false);
    expect(await free(backend, request)).toBe(true);
    expect(await free(backend, request)).toBe(false);
  });

  it('is never kept shorter by a renewal', async () => {
    const backend = redis.backend();
    const request = requestOf(newName(), 'exclusive', { ttlMs: 9000 });
    await take(backend, request);
    expect(await backend.renew([{ ...request, ttlMs: 100 }], callOf())).toEqual([true]);
    expect(await redis.admin.pttl(`holdfast:${request.name}`)).toBeGreaterThan(5000);
  });

  it('leaves no key but the bounded fences', async () => {
    const backend = redis.backend({ prefix: `p-${newName()}:` });
    const requests = Array.from({ length: 50 }, () => requestOf(newName()));
    await backend.attempt(requests, callOf());
    await backend.release(requests, callOf());
    const keys = await redis.admin.keys('*');
    expect(keys.filter((key) => requests.some(({ name }) => key.includes(name)))).toEqual([]);
  });

  it('takes and frees a thousand names in a few commands', async () => {
    const backend = redis.backend();
    const requests = Array.from({ length: 1000 }, () => requestOf(newName()));
    await backend.checkHealth(callOf());
    await redis.admin.config('RESETSTAT');
    const answers = await backend.attempt(requests, callOf());
    expect(answers.every(({ granted }) => granted)).toBe(true);
    expect(
      await backend.renew(
        requests.map((request) => ({ ...request, ttlMs: 20_000 })),
        callOf(),
      ),
    ).not.toContain(false);
    expect(await backend.release(requests, callOf())).not.toContain(false);
    const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.admin.info('commandstats'))?.[1];
    // 8 + 4 + 8, and the scripts may be loaded once each.
    expect(Number(calls)).toBeLessThanOrEqual(24);
  });

  it('keeps the order of requests for one name within a tick', async () => {
    const backend = redis.backend();
    const [first, second] = [requestOf(newName()), requestOf(newName())];
    const next = requestOf(first.name);
    await take(backend, first);
    const outcomes = await Promise.all([
      attempt(backend, second),
      free(backend, first),
      attempt(backend, next),
      free(backend, next),
      attempt(backend, requestOf(first.name)),
    ]);
    expect(outcomes.map((outcome) => (typeof outcome === 'boolean' ? outcome : outcome.granted))).toEqual([true, true, true, true, true]);
  });
});

describe('names', () => {
  it('never alias one another, whatever they hold', async () => {
    const backend = redis.backend();
    const names = [
      'a',
      'A',
      'a{b}c',
      'a}b{c',
      '{',
      '}',
      '{}',
      '{}a',
      'a:b',
      '../x',
      '%2F',
      '__proto__',
      '🔒',
      'é',
      'e\u0301',
      ' a',
      'a ',
      'a\nb',
      'a\0b',
      '*',
      '[a]',
      'fence',
    ].map((name) => requestOf(name));
    try {
      const answers = await backend.attempt(names, callOf());
      expect(answers.filter(({ granted }) => granted)).toHaveLength(names.length);
      for (const { name } of names) expect((await backend.inspect(name, 'lock', callOf())).held).toBe(true);
    } finally {
      expect(await backend.release(names, callOf())).not.toContain(false);
    }
  });

  it('that lead into the reserved keys are refused, and only those', async () => {
    const backend = redis.backend({ prefix: '' });
    await expect(Promise.resolve().then(() => attempt(backend, requestOf('holdfast.{x}:fence')))).rejects.toSatisfy((error) =>
      isLockError(error, 'LOCK_INVALID_ARGUMENT'),
    );
    await take(backend, requestOf('holdfast.x', 'exclusive', { ttlMs: 1 }));
    await take(redis.backend(), requestOf('holdfast.{x}:fence', 'exclusive', { ttlMs: 1 }));
  });
});

describe('labels', () => {
  it('may hold anything, and are cut at 256', async () => {
    const backend = redis.backend();
    for (const label of ['', 'a:b:c', '1:2:3', 'x y', 'line\nbreak', 'nul\0', '🔒'.repeat(10), '%s']) {
      const request = requestOf(newName(), 'exclusive', { label });
      await take(backend, request);
      const state = await backend.inspect(request.name, 'lock', callOf());
      expect(state.holders[0]?.label).toBe(label);
      expect(await free(backend, request)).toBe(true);
    }
    const long = requestOf(newName(), 'exclusive', { label: 'x'.repeat(5000) });
    await take(backend, long);
    expect((await backend.inspect(long.name, 'lock', callOf())).holders[0]?.label).toHaveLength(1024);
  });
});

describe('fencing tokens', () => {
  it('rise over release, expiry and forced release, for writers and readers of one name', async () => {
    const backend = redis.backend();
    const name = newName();
    let last = 0n;
    for (let i = 0; i < 20; i++) {
      const request = requestOf(name, 'exclusive', { ttlMs: i % 3 === 0 ? 1 : 10_000 });
      const grant = await until2(() => attempt(backend, request));
      expect(grant).toBeGreaterThan(last);
      last = grant;
      if (i % 3 === 1) await free(backend, request);
      if (i % 3 === 2) expect(await backend.forceRelease(name, 'lock', callOf())).toBe(true);
    }
  });

  it('rise over a clock that is set back', async () => {
    const backend = redis.backend();
    const request = requestOf(newName());
    const { fencingToken } = await take(backend, request);
    const fences = await redis.admin.keys('holdfast.{*}:fence');
    const future = String(fencingToken + 3_600_000_000n);
    for (const key of fences) await redis.admin.set(key, future);
    await free(backend, request);
    const next = await take(backend, requestOf(request.name));
    expect(next.fencingToken).toBe(fencingToken + 3_600_000_001n);
    for (const key of fences) await redis.admin.del(key);
  });

  async function until2(ask: () => ReturnType<typeof attempt>): Promise<bigint> {
    let token: bigint | null = null;
    await until('the lock is free', async () => {
      const answer = await ask();
      if (answer.granted) token = answer.fencingToken;
      return answer.granted;
    });
    if (token === null) throw new Error('not granted');
    return token;
  }
});

describe('what others have written', () => {
  it('is busy, with or without an expiry, and shown without a label or token', async () => {
    const backend = redis.backend();
    for (const px of [null, 60_000]) {
      const name = newName();
      await (px === null
        ? redis.admin.set(`holdfast:${name}`, 'another-library')
        : redis.admin.set(`holdfast:${name}`, 'another-library', 'PX', px));
      const answer = await attempt(backend, requestOf(name));
      expect(answer.granted).toBe(false);
      const state = await backend.inspect(name, 'lock', callOf());
      expect(state.held).toBe(true);
      expect(state.holders[0]).toMatchObject({ label: null, fencingToken: null, mode: 'exclusive' });
      expect(state.holders[0]?.remainingMs === null).toBe(px === null);
      expect(await free(backend, requestOf(name))).toBe(false);
      expect(await redis.admin.get(`holdfast:${name}`)).toBe('another-library');
      expect(await backend.forceRelease(name, 'lock', callOf())).toBe(true);
      await take(backend, requestOf(name));
    }
  });

  it('of another type is refused permanently, and left alone', async () => {
    const backend = redis.backend();
    const name = newName();
    await redis.admin.rpush(`holdfast:${name}`, 'a');
    const refused = (error: unknown): boolean => isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.retryable;
    await expect(attempt(backend, requestOf(name))).rejects.toSatisfy(refused);
    await expect(backend.inspect(name, 'lock', callOf())).rejects.toSatisfy(refused);
    await expect(backend.forceRelease(name, 'lock', callOf())).rejects.toSatisfy(refused);
    expect(await free(backend, requestOf(name))).toBe(false);
    expect(await backend.renew([{ ...requestOf(name), ttlMs: 1000 }], callOf())).toEqual([false]);
    // Others of the same tick are not harmed.
    const other = requestOf(newName());
    const [bad, good] = await Promise.allSettled([attempt(backend, requestOf(name)), take(backend, other)]);
    expect(bad.status).toBe('rejected');
    expect(good.status).toBe('fulfilled');
    expect(await redis.admin.lrange(`holdfast:${name}`, 0, -1)).toEqual(['a']);
  });
});

describe('marks', () => {
  it('are set once, and kept by the server', async () => {
    const { marks } = redis.backend();
    const name = newName();
    expect(await marks?.has(name, callOf())).toBe(false);
    expect(await marks?.set(name, 60_000, callOf())).toBe(true);
    expect(await marks?.set(name, 60_000, callOf())).toBe(false);
    expect(await marks?.has(name, callOf())).toBe(true);
    expect(await redis.backend().marks?.set(name, 1, callOf())).toBe(false);
    const short = newName();
    await marks?.set(short, 1, callOf());
    await until('the mark is gone', async () => (await marks?.has(short, callOf())) === false);
  });
});

/** How many scripts were under way over a client at the same time. */
function mostAtATime(client: Redis): () => number {
  let [now, most] = [0, 0];
  const send = client.sendCommand.bind(client);
  vi.spyOn(client, 'sendCommand').mockImplementation((command, ...rest) => {
    const sent = send(command, ...rest);
    if (!command.name.startsWith('eval')) return sent;
    now += 1;
    most = Math.max(most, now);
    const over = (): void => void (now -= 1);
    command.promise.then(over, over);
    return sent;
  });
  return () => most;
}

describe('list', () => {
  it('shows what is held under a prefix, of every kind, each once, and nothing else', async () => {
    const backend = redis.backend();
    const root = `${newName()}*[a]?\\`;
    const held = [requestOf(`${root}/1`), requestOf(`${root}/2`, 'read'), requestOf(`${root}/2`, 'read'), requestOf(`${root}/3`, 'write')];
    await backend.attempt(
      [...held, { ...requestOf(`${root}/1`), mode: 'permits', permits: 2, limit: 5 }, requestOf(root.slice(0, -4))],
      callOf(),
    );
    await redis.admin.set(`holdfast:${root}/foreign`, 'x');
    await free(backend, held[3] ?? requestOf(root));
    const found: string[] = [];
    for await (const state of backend.list?.(root, callOf()) ?? [])
      found.push(`${state.kind} ${state.name.slice(root.length)} ${state.holders.length}`);
    expect(found.sort()).toEqual(['lock /1 1', 'read-write /2 2', 'semaphore /1 1']);
  });

  it('looks at a hundred names at a time, so that a renewal does not stand behind thousands', async () => {
    const root = newName();
    await redis.backend().attempt(
      Array.from({ length: 450 }, (_, index) => requestOf(`${root}/${index}`)),
      callOf(),
    );
    const client = new Redis(redis.server.url);
    onTestFinished(() => client.disconnect());
    const most = mostAtATime(client);
    let count = 0;
    for await (const { held } of redis.backend({ client }).list?.(root, callOf()) ?? []) count += held ? 1 : 0;
    expect(count).toBe(450);
    expect(most()).toBeGreaterThan(50);
    expect(most()).toBeLessThanOrEqual(100);
  });
});

describe('close', () => {
  it('ends what it opened, and refuses calls from then on', async () => {
    const backend = redis.backend();
    await take(backend, requestOf(newName()));
    await backend.close();
    await backend.close();
    await expect(attempt(backend, requestOf(newName()))).rejects.toSatisfy((error) => isLockError(error, 'LOCK_BACKEND_UNAVAILABLE'));
  });
});
