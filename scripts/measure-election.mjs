// How long there is no leader: `node scripts/measure-election.mjs redis [rounds]`, after a build. Two candidates of two managers; the leader closes its election,
// and what is counted is from then to the start of the other one's task. The median, and the longest of all. With `table`: leases in a table of PostgreSQL.
import { startPostgres, startRedis, startRedisNodes, startZooKeeper } from '../test/dist/servers/index.js';
import { createMemoryLockManager } from '../packages/core/dist/memory/index.js';
import { createMemoryStore } from '../packages/core/dist/testing/index.js';
import { createElection } from '../packages/election/dist/index.js';
import { createPostgresLockManager } from '../packages/postgres/dist/index.js';
import { createRedisLockManager } from '../packages/redis/dist/index.js';
import { createRedlockLockManager, initializeNodes } from '../packages/redlock/dist/index.js';
import { createZooKeeperLockManager } from '../packages/zookeeper/dist/index.js';

/** A server, and a way to be its client. */
const stores = {
  async memory() {
    const store = createMemoryStore();
    return { manager: () => createMemoryLockManager({ store: store.peer() }), close: async () => {} };
  },
  async redis() {
    const server = await startRedis();
    return { manager: () => createRedisLockManager({ url: server.url }), close: () => server.close() };
  },
  async redlock() {
    const started = await startRedisNodes(3);
    const { urls } = started;
    await initializeNodes({ urls });
    return { manager: () => createRedlockLockManager({ urls }), close: () => started.close() };
  },
  async postgres() {
    const server = await startPostgres();
    return { manager: () => createPostgresLockManager({ connectionString: server.url }), close: () => server.close() };
  },
  async table() {
    const server = await startPostgres();
    return { manager: () => createPostgresLockManager({ connectionString: server.url, strategy: 'table' }), close: () => server.close() };
  },
  async zookeeper() {
    const server = await startZooKeeper();
    const connectionString = server.url.replace('zookeeper://', '');
    return { manager: () => createZooKeeperLockManager({ connectionString }), close: () => server.close() };
  },
};

const [name = 'redis', rounds = '50'] = process.argv.slice(2);
const store = await stores[name]();
const managers = [store.manager(), store.manager()];
const times = [];
let waiting = candidate(managers[0]);
await waiting.leads;
for (let round = 1; round <= Number(rounds); round += 1) {
  const leader = waiting;
  waiting = candidate(managers[round % 2]);
  // Long enough that it waits as one does that has waited for days.
  await new Promise((resolve) => setTimeout(resolve, name === 'table' ? 4_000 : 300));
  const closedAt = performance.now();
  await Promise.all([leader.election.close(), waiting.leads]);
  times.push(waiting.leadsSince - closedAt);
}
await waiting.election.close();
await Promise.all(managers.map((manager) => manager.close()));
await store.close();
times.sort((a, b) => a - b);
console.log(`${name}: median ${times[times.length >> 1].toFixed(1)} ms, longest ${times.at(-1).toFixed(1)} ms, of ${times.length}`);

function candidate(manager) {
  const started = resolvers();
  const self = { election: createElection(manager, 'measured', { retryMs: 100 }), leads: started.promise, leadsSince: 0 };
  void self.election.run(async ({ signal }) => {
    self.leadsSince = performance.now();
    started.resolve();
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  });
  return self;
}

function resolvers() {
  let resolve;
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}
