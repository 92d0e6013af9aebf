import { createRedisBackend } from '@holdfast/redis';
import { attempt, free, newName, requestOf, take } from '@holdfast/test/backend';
import { startRedisWithSentinels, until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { subscribed } from './redis-harness.js';

describe('sentinels', () => {
  it('lead to the master, and to the new one after a fail-over, with rising tokens', async () => {
    await using servers = await startRedisWithSentinels();
    const backend = createRedisBackend({ url: servers.url });
    try {
      const request = requestOf(newName());
      const first = await take(backend, request);
      const { wakes, close } = await subscribed(backend, requestOf(newName()));
      const before = wakes.count;
      await free(backend, request);
      await servers.primary.kill();
      await expect(attempt(backend, requestOf(newName()), 1000)).rejects.toMatchObject({
        code: 'LOCK_BACKEND_UNAVAILABLE',
        retryable: true,
      });
      const next = requestOf(request.name);
      let token = 0n;
      await until(
        'the new master is found',
        async () => {
          const answer = await attempt(backend, next, 1000);
          if (answer.granted) token = answer.fencingToken;
          return answer.granted;
        },
        { timeoutMs: 20_000, everyMs: 100 },
      );
      expect(token).toBeGreaterThan(first.fencingToken);
      // Whoever waits listens there, too, and looks once.
      await wakes.after(before);
      close();
    } finally {
      await backend.close();
    }
  });

  it('that do not know the master are unavailable, not busy', async () => {
    await using servers = await startRedisWithSentinels();
    const backend = createRedisBackend({ url: servers.url.replace(/\/main$/, '/another') });
    await expect(attempt(backend, requestOf(newName()), 1000)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await backend.close();
  });
});
