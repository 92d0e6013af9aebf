import { isLockError, LockUnavailableError } from '@holdfast/core';
import { callOf, newName, requestOf } from '@holdfast/test/backend';
import { reservePort, startRedis, startTcpProxy, until } from '@holdfast/test/servers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ReplyList } from '@holdfast/core/backend';
import { failureRules } from '../src/redis-error.js';
import { createRedisBackend, createRedisLockManager } from './chosen-driver.js';

const reasonOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error: unknown) => error,
  );

describe('a request without a connection', () => {
  it('was never sent, and says so and for which lock', async () => {
    const port = await reservePort();
    onTestFinished(() => port.release());
    const backend = createRedisBackend({ url: `redis://127.0.0.1:${port.port}` });
    const request = requestOf(newName());
    const one = await reasonOf(backend.attempt([request], callOf()));
    expect(one).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', wasSent: false, retryable: true, lockName: request.name });
    const many = await reasonOf(backend.attempt([request, requestOf(newName())], callOf()));
    expect(many).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', wasSent: false });
    await backend.close();
  });

  it('leaves nothing that close() would have to wait for', async () => {
    const port = await reservePort();
    onTestFinished(() => port.release());
    const manager = createRedisLockManager({ url: `redis://127.0.0.1:${port.port}`, commandTimeoutMs: 20_000 });
    expect(isLockError(await reasonOf(manager.tryAcquire(newName())), 'LOCK_BACKEND_UNAVAILABLE')).toBe(true);
    const start = performance.now();
    await manager.close();
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

it('a request whose connection was cut may have been sent', async () => {
  await using server = await startRedis();
  await using proxy = await startTcpProxy({ target: server.port });
  const backend = createRedisBackend({ url: proxy.urlFor(server.url) });
  await backend.attempt([requestOf(newName())], callOf());
  await server.pause();
  const asked = reasonOf(backend.attempt([requestOf(newName())], callOf()));
  // What is written leaves with the turn of the event loop.
  await new Promise(setImmediate);
  proxy.cut();
  expect(await asked).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', wasSent: true });
  await server.continue();
  await until('it is there again', async () => (await reasonOf(backend.attempt([requestOf(newName())], callOf()))) === null);
  await backend.close();
});

describe('of many requests together', () => {
  const unsent = (): LockUnavailableError => new LockUnavailableError('no connection', { wasSent: false });
  const outcomeOf = (settle: (list: ReplyList<unknown>) => void): Promise<unknown> => {
    const list = new ReplyList<unknown>(2, failureRules);
    settle(list);
    return reasonOf(list.all);
  };

  it('none was sent when each says so', async () => {
    expect(
      await outcomeOf((list) => {
        list.fail(unsent());
        list.fail(unsent());
      }),
    ).toMatchObject({ wasSent: false });
  });

  it.each([
    ['was answered', (list: ReplyList<unknown>) => list.take('1', 1)],
    ['may have been sent', (list: ReplyList<unknown>) => list.fail(new LockUnavailableError('no answer'))],
  ])('some may have been when one %s', async (_, settleOther) => {
    expect(
      await outcomeOf((list) => {
        list.fail(unsent());
        settleOther(list);
      }),
    ).toMatchObject({ wasSent: true });
  });
});
