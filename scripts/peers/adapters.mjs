// How each library is asked for one attempt, one extension and one release: as it is, without retries of its own. `open(require, nodes, Redis)` answers a
// client: `acquire(name, ttlMs)` (a handle, or null for busy), `extend(handle, ttlMs)` and `release(handle)` (true, or false for "not ours"), `close()`.

const redisOptions = { maxRetriesPerRequest: 1, enableOfflineQueue: false };
const connect = async (Redis, nodes) => {
  const clients = nodes.map(({ host, port }) => new Redis({ host, port, ...redisOptions }));
  for (const client of clients) client.on('error', () => {});
  await Promise.all(
    clients.map((client) => new Promise((resolve) => (client.status === 'ready' ? resolve() : client.once('ready', resolve)))),
  );
  return clients;
};
const disconnect = (clients) => {
  for (const client of clients) client.disconnect();
};
const retryCount = { retryCount: 0 };

/** redlock 4.2: one error for everything that did not work. */
const redlock4 = async (require, nodes, Redis) => {
  const clients = await connect(Redis, nodes);
  const Redlock = require('redlock');
  const redlock = new Redlock(clients, retryCount);
  redlock.on('clientError', () => {});
  const told = (error, otherwise) => {
    if (error.name === 'LockError') return otherwise;
    throw error;
  };
  return {
    acquire: (name, ttlMs) => redlock.lock(name, ttlMs).catch((error) => told(error, null)),
    extend: (lock, ttlMs) => lock.extend(ttlMs).catch((error) => told(error, false)),
    release: (lock) =>
      lock.unlock().then(
        () => true,
        (error) => told(error, false),
      ),
    close: () => disconnect(clients),
  };
};

/** redlock 5 beta and its fork: what each node said is in the attempts of the error. */
const redlock5 = (load) => async (require, nodes, Redis) => {
  const clients = await connect(Redis, nodes);
  const { Redlock, ResourceLockedError } = await load(require);
  const redlock = new Redlock(clients, retryCount);
  redlock.on('error', () => {});
  const told = async (error, otherwise) => {
    const votes = await Promise.all(error.attempts ?? []);
    const against = votes.flatMap(({ votesAgainst }) => [...votesAgainst.values()]);
    if (against.some((vote) => vote instanceof ResourceLockedError)) return otherwise;
    throw error;
  };
  return {
    acquire: (name, ttlMs) => redlock.acquire([name], ttlMs).catch((error) => told(error, null)),
    extend: (lock, ttlMs) => lock.extend(ttlMs).catch((error) => told(error, false)),
    release: (lock) =>
      lock.release().then(
        () => true,
        (error) => told(error, false),
      ),
    close: () => disconnect(clients),
  };
};

/** redis-semaphore: an object is the owner, so one is made for each hold. */
const redisSemaphore = (kind) => async (require, nodes, Redis) => {
  const clients = await connect(Redis, nodes);
  const library = require('redis-semaphore');
  return {
    async acquire(name, ttlMs) {
      const options = { lockTimeout: ttlMs, refreshInterval: 0, acquireAttemptsLimit: 1 };
      const lock = kind === 'Mutex' ? new library.Mutex(clients[0], name, options) : new library.RedlockMutex(clients, name, options);
      return (await lock.tryAcquire()) ? lock : null;
    },
    async extend(lock, ttlMs) {
      lock.lockTimeout = ttlMs;
      return await lock._refresh();
    },
    release: (lock) => lock._release().then((answer) => answer !== false),
    close: () => disconnect(clients),
  };
};

/** verrou on Redis. */
const verrou = async (require, nodes, Redis, load) => {
  const clients = await connect(Redis, nodes);
  const [{ LockFactory }, { RedisStore }] = await Promise.all([load('@verrou/core'), load('@verrou/core/drivers/redis')]);
  const factory = new LockFactory(new RedisStore({ connection: clients[0] }));
  const notOurs = (error) => {
    if (error.code === 'E_LOCK_NOT_OWNED') return false;
    throw error;
  };
  return {
    async acquire(name, ttlMs) {
      const lock = factory.createLock(name, ttlMs);
      return (await lock.acquireImmediately()) ? lock : null;
    },
    extend: (lock, ttlMs) => lock.extend(ttlMs).then(() => true, notOurs),
    release: (lock) => lock.release().then(() => true, notOurs),
    close: () => disconnect(clients),
  };
};

/** What is installed, exactly, and how it is asked. `nodes`: on how many servers of Redis. */
export const peers = [
  { id: 'redlock-4', package: 'redlock', version: '4.2.0', nodes: 3, open: redlock4 },
  {
    id: 'redlock-5',
    package: 'redlock',
    version: '5.0.0-beta.2',
    nodes: 3,
    open: redlock5(async (require) => ({
      Redlock: require('redlock').default,
      ResourceLockedError: require('redlock').ResourceLockedError,
    })),
  },
  {
    id: 'sesamecare-redlock',
    package: '@sesamecare-oss/redlock',
    version: '1.4.0',
    nodes: 3,
    open: redlock5(async (require) => require('@sesamecare-oss/redlock')),
  },
  { id: 'redis-semaphore-mutex', package: 'redis-semaphore', version: '5.8.0', nodes: 1, open: redisSemaphore('Mutex') },
  { id: 'redis-semaphore-redlock', package: 'redis-semaphore', version: '5.8.0', nodes: 3, open: redisSemaphore('RedlockMutex') },
  { id: 'verrou-redis', package: '@verrou/core', version: '0.5.2', nodes: 1, open: verrou },
];

/** What all of them are tried with. */
export const IOREDIS = '5.11.1';
