// How many completion marks that have ended a store keeps: `node scripts/measure-marks.mjs redis [seconds] [standing]`, after a build.
// By default a hundred new ones a second, of a second each, for ten minutes, beside 100,000 that stand. Ends with 1 above 2,000.
import { createRequire } from 'node:module';
import { loadMarks } from '../test/dist/backend/index.js';
import { startPostgres, startRedis, startRedisNodes, startZooKeeper } from '../test/dist/servers/index.js';
import { createMemoryBackend } from '../packages/core/dist/memory/index.js';
import { createPostgresBackend } from '../packages/postgres/dist/index.js';
import { createRedisBackend } from '../packages/redis/dist/index.js';
import { createRedlockBackend, initializeNodes } from '../packages/redlock/dist/index.js';
import { createZooKeeperBackend } from '../packages/zookeeper/dist/index.js';

const MOST = 2_000;
const driverOf = (name, driver) => createRequire(new URL(`../packages/${name}/package.json`, import.meta.url))(driver);

/** A backend on a server of its own, and how many marks lie on it. */
const stores = {
  async redis() {
    const server = await startRedis({ config: {} });
    const { Redis } = driverOf('redis', 'ioredis');
    const admin = new Redis(server.port);
    const count = async () => sum(await Promise.all((await admin.keys('holdfast.{*}:marks')).map((key) => admin.hlen(key))));
    return { backend: createRedisBackend({ url: server.url }), count, close: async () => (admin.disconnect(), await server.close()) };
  },
  async redlock() {
    const started = await startRedisNodes(3);
    const { urls, nodes } = started;
    await initializeNodes({ urls });
    const { Redis } = driverOf('redlock', 'ioredis');
    const admins = nodes.map(({ port }) => new Redis(port));
    const count = async () => Math.max(...(await Promise.all(admins.map((admin) => admin.hlen('holdfast.redlock:marks')))));
    return {
      backend: createRedlockBackend({ urls, nodeTimeoutMs: 5_000 }),
      count,
      close: async () => {
        for (const admin of admins) admin.disconnect();
        await started.close();
      },
    };
  },
  async postgres() {
    const server = await startPostgres();
    const admin = new (driverOf('postgres', 'pg').Client)({ connectionString: server.url });
    await admin.connect();
    const count = async () => Number((await admin.query('select count(*) from holdfast.marks')).rows[0].count);
    return {
      backend: createPostgresBackend({ connectionString: server.url }),
      count,
      close: async () => (await admin.end(), await server.close()),
    };
  },
  async zookeeper() {
    const server = await startZooKeeper();
    const admin = driverOf('zookeeper', 'node-zookeeper-client').createClient(server.url.replace('zookeeper://', ''));
    await new Promise((resolve) => {
      admin.once('connected', resolve);
      admin.connect();
    });
    const count = () =>
      new Promise((resolve, reject) => {
        admin.getChildren('/holdfast/marks', (error, nodes) => (error ? reject(error) : resolve(nodes.length)));
      });
    return {
      backend: createZooKeeperBackend({ connectionString: server.url }),
      count,
      close: async () => (admin.close(), await server.close()),
    };
  },
  async memory() {
    const { createMemoryStore, storeLink } = await import('../packages/core/dist/memory/memory-store.js');
    const store = createMemoryStore();
    return { backend: createMemoryBackend({ store }), count: async () => store[storeLink].table.marks.retained, close: async () => {} };
  },
};

const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);

const [name = 'redis', seconds = '600', standing = '100000'] = process.argv.slice(2);
if (!(name in stores)) throw new Error(`which store? one of ${Object.keys(stores).join(', ')}`);
const { backend, count, close } = await stores[name]();
try {
  const most = await loadMarks(backend.marks, {
    standing: Number(standing),
    perSecond: 100,
    seconds: Number(seconds),
    count,
    onCount: (surplus) => console.log(`${name}: ${surplus} that have ended`),
  });
  console.log(`${name}: at most ${most} that have ended`);
  process.exitCode = most > MOST ? 1 : 0;
} finally {
  await backend.close();
  await close();
}
