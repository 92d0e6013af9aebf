import { randomUUID } from 'node:crypto';
import { SIGN_VALID_MS } from '@holdfast/core/backend';
import { initializeNodes } from '@holdfast/redlock';
import { spawnScript, startPostgres, startRedis, startRedisNodes, startZooKeeper, until } from '@holdfast/test/servers';
import { expect, onTestFinished, test } from 'vitest';
import { countingManagers, type Servers, SESSION_MS, type Store } from './counting-managers.js';

/** For how long after its end those who waited in a process may be counted, as documented. */
const BOUNDS: Readonly<Record<Store, number>> = {
  redis: 1_500,
  fairRedis: 1_500,
  redlock: SIGN_VALID_MS,
  table: SIGN_VALID_MS,
  advisory: 0,
  zooKeeper: SESSION_MS,
};
/** What looks, and servers that say when a session is over, take besides on a busy machine. */
const BESIDE_MS = 1_500;

async function startServers(): Promise<Servers> {
  const [redis, nodes, postgres, zooKeeper] = await Promise.all([startRedis(), startRedisNodes(3), startPostgres(), startZooKeeper()]);
  onTestFinished(async () => {
    await Promise.all([redis, nodes, postgres, zooKeeper].map((server) => server.close()));
  });
  await initializeNodes({ urls: nodes.urls });
  return { redis: redis.url, nodes: nodes.urls, postgres: postgres.url, zooKeeper: `127.0.0.1:${zooKeeper.port}` };
}

test('those who waited in a process that was killed are counted for no longer than documented, on every store', {
  timeout: 120_000,
}, async () => {
  const servers = await startServers();
  const managers = Object.entries(countingManagers(servers));
  onTestFinished(async () => {
    await Promise.all(managers.map(([, manager]) => manager.close()));
  });
  const name = `killed-${randomUUID()}`;
  await Promise.all(managers.map(([, manager]) => manager.acquire(name, { ttlMs: 60_000 })));
  const waiting = spawnScript(new URL('./waiting-process.ts', import.meta.url), [JSON.stringify(servers), name]);
  await Promise.all(
    managers.map(([store, manager]) => until(`three wait on ${store}`, async () => (await manager.inspect(name)).waiters === 3)),
  );
  // The one who waits here stays counted.
  const leaving = new AbortController();
  const here = managers.map(([, manager]) => manager.acquire(name, { signal: leaving.signal }).catch(() => null));
  await Promise.all(
    managers.map(([store, manager]) => until(`four wait on ${store}`, async () => (await manager.inspect(name)).waiters === 4)),
  );

  await waiting.kill('SIGKILL');
  const killedAt = performance.now();
  const counted = managers.map(async ([store, manager]) => {
    await until(`one is left on ${store}`, async () => (await manager.inspect(name)).waiters === 1);
    return [store, Math.round(performance.now() - killedAt)] as const;
  });
  const late = (await Promise.all(counted)).filter(([store, ms]) => ms > BOUNDS[store as Store] + BESIDE_MS);
  expect(late).toEqual([]);
  leaving.abort();
  await Promise.all(here);
});
