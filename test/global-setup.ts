import {
  etcdSpec,
  findProcessSource,
  mariaDbSpec,
  pgBouncerSpec,
  postgresSpec,
  redisSpec,
  startMariaDb,
  startPostgres,
  startRedis,
  startZooKeeper,
  zooKeeperSpec,
} from './servers/index.js';

/**
 * Makes sure that the servers are there, once for all test files: to install a package or to fetch an image may take longer than any
 * test or hook is allowed to.
 */
export default async function setup(): Promise<void> {
  const source = await findProcessSource(redisSpec);
  if (source.kind === 'container') await (await startRedis({ config: {} })).close();
  const postgres = await findProcessSource(postgresSpec);
  if (postgres.kind === 'container') await (await startPostgres({ config: {} })).close();
  await findProcessSource(pgBouncerSpec);
  await findProcessSource(etcdSpec);
  const mariaDb = await findProcessSource(mariaDbSpec);
  if (mariaDb.kind === 'container') await (await startMariaDb()).close();
  const zooKeeper = await findProcessSource(zooKeeperSpec);
  if (zooKeeper.kind === 'container') await (await startZooKeeper({ config: {} })).close();
}
