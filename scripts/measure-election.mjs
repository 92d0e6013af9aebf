// How long there is no leader: `node scripts/measure-election.mjs redis [rounds] [close|death]`, after a build. Two candidates of two managers; the leader closes its
// election, or is a process that is killed, and what is counted is from then to the start of the other one's task. The median, and the longest of all. `table`: leases in a
// table of PostgreSQL. A leader that dies has a ttl of 3 s.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startPostgres, startRedis, startRedisNodes, startZooKeeper } from '../test/dist/servers/index.js';
import { createMemoryLockManager } from '../packages/core/dist/memory/index.js';
import { createMemoryStore } from '../packages/core/dist/testing/index.js';
import { createElection } from '../packages/election/dist/index.js';
import { createPostgresLockManager } from '../packages/postgres/dist/index.js';
import { createRedisLockManager } from '../packages/redis/dist/index.js';
import { createRedlockLockManager, initializeNodes } from '../packages/redlock/dist/index.js';
import { createZooKeeperLockManager } from '../packages/zookeeper/dist/index.js';

/** A server: where it is, as the child process hears of it too. */
const stores = {
  async memory() {
    return { at: {}, close: async () => {} };
  },
  async redis() {
    const server = await startRedis();
    return { at: { url: server.url }, close: () => server.close() };
  },
  async redlock() {
    const started = await startRedisNodes(3);
    const { urls } = started;
    await initializeNodes({ urls });
    return { at: { urls }, close: () => started.close() };
  },
  async postgres() {
    const server = await startPostgres();
    return { at: { connectionString: server.url }, close: () => server.close() };
  },
  async table() {
    const server = await startPostgres();
    return { at: { connectionString: server.url, strategy: 'table' }, close: () => server.close() };
  },
  async zookeeper() {
    const server = await startZooKeeper();
    return { at: { connectionString: server.url.replace('zookeeper://', '') }, close: () => server.close() };
  },
};

const memory = createMemoryStore();
/** A client of it. */
const managers = {
  memory: () => createMemoryLockManager({ store: memory.peer() }),
  redis: createRedisLockManager,
  redlock: createRedlockLockManager,
  postgres: createPostgresLockManager,
  table: createPostgresLockManager,
  zookeeper: createZooKeeperLockManager,
};

/** So long a lease lasts where a leader dies. */
const TTL_MS = 3_000;
const [name = 'redis', rounds = '50', how = 'close', place] = process.argv.slice(2);
if (how === 'leader') {
  await candidate(managers[name](JSON.parse(place)), TTL_MS).leads;
  process.send('leads');
} else await measure();

async function measure() {
  const store = await stores[name]();
  const times = how === 'death' ? await deaths(store.at) : await closes(store.at);
  await store.close();
  times.sort((a, b) => a - b);
  const [median, longest] = [times[times.length >> 1], times.at(-1)];
  console.log(`${name}, ${how}: median ${median.toFixed(1)} ms, longest ${longest.toFixed(1)} ms, of ${times.length}`);
}

async function closes(at) {
  const both = [managers[name](at), managers[name](at)];
  const times = [];
  let waiting = candidate(both[0]);
  await waiting.leads;
  for (let round = 1; round <= Number(rounds); round += 1) {
    const leader = waiting;
    waiting = candidate(both[round % 2]);
    // Long enough that it waits as one does that has waited for days.
    await sleep(name === 'table' ? 4_000 : 300);
    const closedAt = performance.now();
    await Promise.all([leader.election.close(), waiting.leads]);
    times.push(waiting.leadsSince - closedAt);
  }
  await waiting.election.close();
  await Promise.all(both.map((manager) => manager.close()));
  return times;
}

/** The leader is a process that is killed. */
async function deaths(at) {
  const manager = managers[name](at);
  const times = [];
  for (let round = 1; round <= Number(rounds); round += 1) {
    const leader = fork(fileURLToPath(import.meta.url), [name, '1', 'leader', JSON.stringify(at)]);
    await once(leader, 'message');
    const waiting = candidate(manager, TTL_MS);
    await sleep(2_000);
    const diedAt = performance.now();
    leader.kill('SIGKILL');
    await waiting.leads;
    times.push(waiting.leadsSince - diedAt);
    await waiting.election.close();
  }
  await manager.close();
  return times;
}

function candidate(manager, ttlMs) {
  const started = resolvers();
  const self = { election: createElection(manager, 'measured', { retryMs: 100, ttlMs }), leads: started.promise, leadsSince: 0 };
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
