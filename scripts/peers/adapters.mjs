// How each library is asked for one attempt, one extension and one release: as it is, without retries of its own. `open(require, nodes, Redis, load)` answers
// a client: `acquire(name, ttlMs)` (a handle, or null for busy), `extend(handle, ttlMs)` and `release(handle)` (true, or false for "not ours"), `close()`, and,
// where the store is not Redis, `isHeld(name)`.

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
    // Before it asks anybody: the time of the lock is over by the library's own clock.
    if (/already-expired/.test(error.message)) return otherwise;
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

/** redlock-universal: one error for everything that did not work. */
const redlockUniversal = async (_require, nodes, Redis, load) => {
  const clients = await connect(Redis, nodes);
  const { createRedlock, IoredisAdapter } = await load('redlock-universal');
  const adapters = clients.map((client) => new IoredisAdapter(client));
  return {
    async acquire(key, ttl) {
      const lock = createRedlock({ adapters, key, ttl, retryAttempts: 0 });
      try {
        return { lock, handle: await lock.acquire() };
      } catch (error) {
        if (error.name === 'LockAcquisitionError') return null;
        throw error;
      }
    },
    extend: ({ lock, handle }, ttlMs) => lock.extend(handle, ttlMs),
    release: ({ lock, handle }) => lock.release(handle),
    close: () => disconnect(clients),
  };
};

/** verrou, over whichever of its stores. */
const verrouOver = async (store, load, close) => {
  const { Verrou } = await load('@verrou/core');
  const verrou = new Verrou({ default: 'store', stores: { store: { driver: store } } });
  const notOurs = (error) => {
    if (error.code === 'E_LOCK_NOT_OWNED') return false;
    throw error;
  };
  return {
    async acquire(name, ttlMs) {
      const lock = verrou.createLock(name, ttlMs);
      return (await lock.acquireImmediately()) ? lock : null;
    },
    extend: (lock, ttlMs) => lock.extend(ttlMs).then(() => true, notOurs),
    release: (lock) => lock.release().then(() => true, notOurs),
    isHeld: (name) => verrou.createLock(name).isLocked(),
    close,
  };
};

const verrouRedis = async (_require, nodes, Redis, load) => {
  const clients = await connect(Redis, nodes);
  const { redisStore } = await load('@verrou/core/drivers/redis');
  return verrouOver(redisStore({ connection: clients[0] }), load, () => disconnect(clients));
};

const verrouKnex = async (require, [{ host, port, ...login }], _Redis, load) => {
  const knex = require('knex')({ client: 'pg', connection: { host, port, ...login }, pool: { min: 0, max: 5 } });
  const { knexStore } = await load('@verrou/core/drivers/knex');
  return verrouOver(knexStore({ connection: knex }), load, () => void knex.destroy());
};

/** One for the process, as the locks of several managers must meet. */
let memory;
const verrouMemory = async (_require, _nodes, _Redis, load) => {
  const { memoryStore } = await load('@verrou/core/drivers/memory');
  memory ??= memoryStore().factory();
  return verrouOver({ factory: () => memory }, load, () => {});
};

/** advisory-lock: a connection a lock, which is the session; nothing expires and nothing is extended. */
const advisoryLock = async (require, [{ host, port, user, password, database }]) => {
  const createMutex = require('advisory-lock').default(`postgres://${user}:${password ?? ''}@${host}:${port}/${database}`);
  return {
    acquire: async (name) => (await createMutex(name).tryLock()) ?? null,
    extend: async () => true,
    release: (unlock) => unlock().then(() => true),
    async isHeld(name) {
      const unlock = await createMutex(name).tryLock();
      await unlock?.();
      return unlock === undefined;
    },
    close: () => {},
  };
};

/** What is installed, exactly, beside the driver; on what kind of server and how many; and how it is asked. */
export const peers = [
  { id: 'redlock-4', package: 'redlock', version: '4.2.0', store: 'redis', nodes: 4, open: redlock4 },
  {
    id: 'redlock-5',
    package: 'redlock',
    version: '5.0.0-beta.2',
    store: 'redis',
    nodes: 4,
    open: redlock5(async (require) => ({
      Redlock: require('redlock').default,
      ResourceLockedError: require('redlock').ResourceLockedError,
    })),
  },
  {
    id: 'sesamecare-redlock',
    package: '@sesamecare-oss/redlock',
    version: '1.4.0',
    store: 'redis',
    nodes: 4,
    open: redlock5(async (require) => require('@sesamecare-oss/redlock')),
  },
  { id: 'redlock-universal', package: 'redlock-universal', version: '0.8.5', store: 'redis', nodes: 4, node: 22, open: redlockUniversal },
  {
    id: 'redis-semaphore-redlock',
    package: 'redis-semaphore',
    version: '5.8.0',
    store: 'redis',
    nodes: 4,
    part: 'RedlockMutex',
    open: redisSemaphore('RedlockMutex'),
  },
  {
    id: 'redis-semaphore-mutex',
    package: 'redis-semaphore',
    version: '5.8.0',
    store: 'redis',
    nodes: 1,
    part: 'Mutex',
    open: redisSemaphore('Mutex'),
  },
  { id: 'verrou-redis', package: '@verrou/core', version: '0.5.2', store: 'redis', nodes: 1, part: 'redis', open: verrouRedis },
  {
    id: 'verrou-knex',
    package: '@verrou/core',
    version: '0.5.2',
    store: 'postgres',
    nodes: 1,
    part: 'knex',
    beside: ['knex@3.1.0', 'pg@8.16.3'],
    open: verrouKnex,
  },
  { id: 'verrou-memory', package: '@verrou/core', version: '0.5.2', store: 'memory', nodes: 0, part: 'memory', open: verrouMemory },
  {
    id: 'advisory-lock',
    package: 'advisory-lock',
    version: '2.0.0',
    store: 'postgres',
    nodes: 1,
    expiry: 'session',
    open: advisoryLock,
  },
];

/** What all of them are tried with. */
export const IOREDIS = '5.11.1';
