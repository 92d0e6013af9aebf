import { attempt, free, newName, requestOf, take } from '@holdfast/test/backend';
import { startRedisWithSentinels, until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { standIn, waitersOf } from './redis-harness.js';
import { createRedisBackend } from './chosen-driver.js';

describe('sentinels', () => {
  it('lead to the master, and to the new one after a fail-over, with rising tokens', async () => {
    await using servers = await startRedisWithSentinels();
    const backend = createRedisBackend({ url: servers.url });
    try {
      const request = requestOf(newName());
      const first = await take(backend, request);
      await free(backend, request);
      await servers.primary.kill();
      const next = requestOf(request.name);
      let token = 0n;
      const failures: unknown[] = [];
      // The sentinel may have noticed before the first of these is over: then nothing is reported.
      await until(
        'the new master is found',
        async () => {
          const answer = await attempt(backend, next, 1000).catch((error: unknown) => {
            failures.push(error);
            return null;
          });
          if (answer?.granted === true) token = answer.fencingToken;
          return token > 0n;
        },
        { timeoutMs: 20_000, everyMs: 100 },
      );
      for (const failure of failures) expect(failure).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
      expect(token).toBeGreaterThan(first.fencingToken);
      // A waiter listens there, too.
      const behind = standIn(backend, requestOf(request.name));
      await until('it waits', async () => (await waitersOf(backend, request.name)) === 1);
      await free(backend, next);
      await behind;
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
