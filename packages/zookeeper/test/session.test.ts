import { setTimeout as sleep } from 'node:timers/promises';
import { isLockError, systemClock } from '@holdfast/core';
import { reservePort, startTcpProxy, until } from '@holdfast/test/servers';
import { afterEach, describe, expect, it } from 'vitest';
import { openDriver } from '../src/open-driver.js';
import { createWatcher } from '../src/watch-table.js';
import { ConnectionLostError, isCode, mayBeDone, RefusalError } from '../src/zookeeper-error.js';
import { type SessionSettings, ZooKeeperSession } from '../src/zookeeper-session.js';
import { CuttingRelay, startFakeServer, startRefusingServer } from './cutting-relay.js';
import { driver, endSession, newRoot, useZooKeeper } from './zookeeper-harness.js';

const zooKeeper = useZooKeeper();
const DATA = Buffer.from('data');
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

function keep<T extends { close(): Promise<void> }>(value: T): T {
  open.push(value);
  return value;
}

interface Watched {
  readonly session: ZooKeeperSession;
  readonly root: string;
  /** What the session reported of itself, in order. */
  readonly told: string[];
}

function sessionTo(ports: readonly number[], over: Partial<SessionSettings> = {}): Watched {
  const told: string[] = [];
  const root = newRoot();
  const session = new ZooKeeperSession(
    {
      openDriver,
      servers: ports.map((port) => ({ host: '127.0.0.1', port })),
      timeoutMs: 3000,
      auth: null,
      acl: [{ permissions: 31, scheme: 'world', id: 'anyone' }],
      directories: [root, `${root}/sessions`],
      clock: systemClock,
      ...over,
    },
    {
      onConnected: async (isNew) => void told.push(isNew ? 'new' : 'again'),
      onLost: () => void told.push('lost'),
    },
  );
  return { session: keep(session), root, told };
}

/** Makes a refusal of an answer: the code stands behind the length, the number of the request and the transaction. */
function writeCode(answer: Buffer, code: number): void {
  answer.writeInt32BE(code, 16);
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => new Error('it was answered'),
    (error: unknown) => error,
  );
}

describe('connecting', () => {
  it('negotiates the time, makes what it needs, and ends with nothing left', async () => {
    const { session, root, told } = sessionTo([zooKeeper.server.port], { timeoutMs: 90_000 });
    expect(session.state).toBe('none');
    await session.ready(5000);
    expect(session.state).toBe('connected');
    // The server's most is a minute, two thirds of which are believed in.
    expect(session.believedMs).toBe(40_000);
    expect(told).toEqual(['new']);
    expect(await zooKeeper.admin.children(`${root}/sessions`)).toEqual([session.id.toString(16).padStart(16, '0')]);
    await session.close();
    expect(session.state).toBe('closed');
    await until('its node is gone', async () => (await zooKeeper.admin.children(`${root}/sessions`)).length === 0);
    expect(isLockError(await failureOf(session.ready(100)), 'LOCK_BACKEND_UNAVAILABLE')).toBe(true);
    await zooKeeper.admin.removeAll(root);
  });

  it.each(['silent', 'talking nonsense', 'refusing'])('goes past a server that is %s', async (kind) => {
    const free = await reservePort();
    // A frame of a length that never comes, and one that is no answer to anything.
    const nonsense = Buffer.concat([Buffer.from([0, 0, 0, 8]), Buffer.alloc(8, 0x55), Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')]);
    const fake = keep(await startFakeServer(kind === 'silent' ? null : nonsense));
    const bad = kind === 'refusing' ? free.port : fake.port;
    const { session, root } = sessionTo([bad, bad, zooKeeper.server.port]);
    await session.ready(5000);
    expect(session.state).toBe('connected');
    await zooKeeper.admin.removeAll(root);
    free.release();
  });

  it('ends in its time where nobody answers, and says why', async () => {
    const fake = keep(await startFakeServer(null));
    const silent = sessionTo([fake.port]).session;
    const start = performance.now();
    const error = await failureOf(silent.ready(400));
    expect(performance.now() - start).toBeLessThan(1500);
    expect(error).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
    const free = await reservePort();
    expect(String(await failureOf(sessionTo([free.port]).session.ready(400)))).toContain('ECONNREFUSED');
    expect(String(await failureOf(sessionTo([], { servers: [{ host: 'no-such-host.invalid', port: 1 }] }).session.ready(2000)))).toMatch(
      /ENOTFOUND|EAI_AGAIN/,
    );
    free.release();
  });

  it('does not say of a connection that is not ready yet why there was none before', async () => {
    await using proxy = await startTcpProxy({ target: zooKeeper.server.port });
    await proxy.refuse();
    let isSettling = false;
    let settle = (): void => {};
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const root = newRoot();
    const session = keep(
      new ZooKeeperSession(
        {
          openDriver,
          servers: [{ host: '127.0.0.1', port: proxy.port }],
          timeoutMs: 3000,
          auth: null,
          acl: [{ permissions: 31, scheme: 'world', id: 'anyone' }],
          directories: [root, `${root}/sessions`],
          clock: systemClock,
        },
        {
          onConnected: () => {
            isSettling = true;
            return settled;
          },
          onLost: () => {},
        },
      ),
    );
    const before = String(await failureOf(session.ready(1000)));
    await proxy.restore();
    const waiting = session.ready(20_000);
    await until('a server has answered', () => isSettling);
    const late = String(await failureOf(session.ready(200)));
    expect(late).not.toBe(before);
    expect(late).toContain('a server answered');
    settle();
    await waiting;
    await zooKeeper.admin.removeAll(root);
  });

  it('does not say of a server that is silent now only that it refused before', async () => {
    await using proxy = await startTcpProxy({ target: zooKeeper.server.port });
    await proxy.refuse();
    const { session } = sessionTo([proxy.port]);
    await failureOf(session.ready(1000));
    await proxy.restore();
    proxy.silence();
    // Between two tries a call hears how the last one ended.
    await until('a call hears of the silence', async () => String(await failureOf(session.ready(300))).includes('no server answered'));
  });

  it('hears that no server can be reached as soon as each was tried, at any time', async () => {
    const free = await reservePort();
    const { session } = sessionTo([free.port, free.port, free.port]);
    // The first call loads the driver.
    await failureOf(session.ready(5000));
    const times: number[] = [];
    for (let calls = 0; calls < 30; calls += 1) {
      const start = performance.now();
      expect(await failureOf(session.ready(5000))).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
      times.push(performance.now() - start);
      await sleep(20);
    }
    // Half a second between two tries is what nobody waits for. In some of the calls a busy machine may have stood still.
    expect(times.filter((ms) => ms > 200).length).toBeLessThan(5);
    free.release();
  });

  it('tries the servers in one rhythm, however many call', async () => {
    const triesOf = async (callers: number): Promise<number> => {
      const server = keep(await startRefusingServer());
      const { session } = sessionTo([server.port], { clock: { ...systemClock, random: () => 0 } });
      const end = performance.now() + 2500;
      const call = async (): Promise<void> => {
        while (performance.now() < end) {
          await failureOf(session.ready(500));
          await sleep(30 + 60 * Math.random());
        }
      };
      await Promise.all(Array.from({ length: callers }, call));
      await session.close();
      return server.tries;
    };
    const [few, many] = await Promise.all([triesOf(2), triesOf(200)]);
    expect(few).toBeGreaterThan(4);
    // Of two counts each may be off by some, by where in its rhythm the time ends; 200 callers without one make hundreds.
    expect(many).toBeLessThan(2 * few);
  });

  it('says at once what waiting cannot repair', async () => {
    const secret = newRoot();
    const owner = sessionTo([zooKeeper.server.port], {
      auth: { scheme: 'digest', credentials: 'owner:word' },
      acl: [{ permissions: 31, scheme: 'auth', id: '' }],
      directories: [secret, `${secret}/sessions`],
    }).session;
    await owner.ready(5000);
    const stranger = sessionTo([zooKeeper.server.port], { directories: [secret, `${secret}/sessions`] }).session;
    const start = performance.now();
    expect(await failureOf(stranger.ready(10_000))).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
    expect(performance.now() - start).toBeLessThan(3000);
    const unknown = sessionTo([zooKeeper.server.port], { auth: { scheme: 'no-such-scheme', credentials: 'x:secret-word' } }).session;
    const refused = await failureOf(unknown.ready(10_000));
    expect(refused).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
    expect(JSON.stringify(refused) + String((refused as Error).stack)).not.toContain('secret-word');
    await owner.remove(`${secret}/sessions/${owner.id.toString(16).padStart(16, '0')}`);
    await owner.remove(`${secret}/sessions`);
    await owner.remove(secret);
  });

  it('is closed in the middle of a handshake, and leaves nothing open', async () => {
    const proxy = keep(await startTcpProxy({ target: zooKeeper.server.port }));
    proxy.silence('down');
    const { session, told } = sessionTo([proxy.port]);
    const ready = failureOf(session.ready(5000));
    await until('the handshake is on its way', () => proxy.bytes.up > 0);
    await session.close();
    expect(isLockError(await ready)).toBe(true);
    await proxy.restore();
    await until('the connection is gone', () => proxy.connections === 0);
    expect(told).toEqual([]);
  });
});

describe('a connection that ends', () => {
  it('suspends the session, which goes on with the next connection', async () => {
    const proxy = keep(await startTcpProxy({ target: zooKeeper.server.port }));
    const { session, root, told } = sessionTo([proxy.port]);
    await session.ready(5000);
    const { id } = session;
    await session.create(`${root}/mine`, DATA, 'ephemeral');
    await proxy.refuse();
    await until('it is noticed', () => session.state === 'suspended');
    expect(await failureOf(session.getChildren(root))).toBeInstanceOf(ConnectionLostError);
    await proxy.restore();
    await session.ready(5000);
    expect([session.id, session.state, told]).toEqual([id, 'connected', ['new', 'again']]);
    expect((await session.getData(`${root}/mine`)).stat.ephemeralOwner).toBe(id);
    await session.close();
    await zooKeeper.admin.removeAll(root);
  });

  it('settles every request that was on it', async () => {
    const proxy = keep(await startTcpProxy({ target: zooKeeper.server.port }));
    const { session, root } = sessionTo([proxy.port]);
    await session.ready(5000);
    proxy.silence();
    const requests = Array.from({ length: 50 }, () => session.create(`${root}/child-`, DATA, 'ephemeral-sequential'));
    const outcomes = Promise.allSettled([...requests, session.beat(), session.getChildren(root), session.remove(`${root}/child-`)]);
    proxy.cut();
    await proxy.restore();
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(ConnectionLostError) as unknown });
    await session.ready(5000);
    await session.beat();
    await session.close();
    await zooKeeper.admin.removeAll(root);
  });

  it('may cut the answer to a create at any byte', async () => {
    const relay = keep(await CuttingRelay.open(zooKeeper.server.port));
    const { session, root } = sessionTo([relay.port]);
    await session.ready(5000);
    const { path, stat } = await session.create(`${root}/n-`, DATA, 'ephemeral-sequential');
    expect((await session.getData(path)).stat).toEqual(stat);
    expect(stat).toMatchObject({ ephemeralOwner: session.id, version: 0 });
    // Length, header and length of the path, the path, the record.
    const whole = 4 + 16 + 4 + path.length + 68;
    for (const bytes of [1, 4, 11, 19, 20, 23, 24, 23 + path.length, 24 + path.length, 40 + path.length, whole - 1]) {
      relay.cutAfter(bytes);
      const failure = await failureOf(session.create(`${root}/n-`, DATA, 'ephemeral-sequential'));
      expect(failure, `cut after ${bytes}`).toBeInstanceOf(ConnectionLostError);
      await session.ready(5000);
    }
    await session.close();
    await zooKeeper.admin.removeAll(root);
  });

  it('may cut a frame at any byte', async () => {
    const relay = keep(await CuttingRelay.open(zooKeeper.server.port));
    const { session, root } = sessionTo([relay.port]);
    await session.ready(5000);
    const { id } = session;
    await session.create(`${root}/node`, DATA, 'ephemeral');
    // The whole reply has 4 + 16 + 4 + 4 + 68 bytes.
    for (const bytes of [1, 2, 3, 4, 5, 11, 19, 20, 21, 27, 40, 95]) {
      relay.cutAfter(bytes);
      expect(await failureOf(session.getData(`${root}/node`)), `cut after ${bytes}`).toBeInstanceOf(ConnectionLostError);
      await session.ready(5000);
      expect((await session.getData(`${root}/node`)).data.toString()).toBe('data');
    }
    expect(session.id).toBe(id);
    await session.close();
    await zooKeeper.admin.removeAll(root);
  });

  it('with an answer that the session has moved to another is followed by another', async () => {
    const relay = keep(await CuttingRelay.open(zooKeeper.server.port));
    const { session, root } = sessionTo([relay.port]);
    await session.ready(5000);
    relay.changeNext = (chunk) => writeCode(chunk, -118);
    expect(await failureOf(session.getChildren(root))).toBeInstanceOf(ConnectionLostError);
    await session.ready(5000);
    expect(await session.getChildren(root)).toEqual(['sessions']);
    expect(relay.requests).toHaveLength(2);
    await session.close();
    await zooKeeper.admin.removeAll(root);
  });
});

describe('an answer with a code', () => {
  // Of servers younger than the driver, of the future, and of the client's own kind.
  it.each([-125, -127, -999, -5, 7])('%i is a refusal of that request and of no other', async (code) => {
    const relay = keep(await CuttingRelay.open(zooKeeper.server.port));
    const { session, root } = sessionTo([relay.port]);
    await session.ready(5000);
    relay.changeNext = (chunk) => writeCode(chunk, code);
    const [refused, ...answered] = await Promise.allSettled([session.getData(root), session.beat(), session.getChildren(root)]);
    expect(refused).toMatchObject({ status: 'rejected', reason: { code } });
    expect(refused.status === 'rejected' && refused.reason).toBeInstanceOf(RefusalError);
    expect(answered.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect(relay.requests).toHaveLength(1);
    await session.close();
    await zooKeeper.admin.removeAll(root);
  });

  it('leaves open whether the request was carried out, unless the code is known to say so', () => {
    expect([-101, -102, -110, -125, -127].map((code) => mayBeDone(new RefusalError(code)))).toEqual([false, false, false, false, false]);
    expect([-1, -5, -7, -122, -999].map((code) => mayBeDone(new RefusalError(code)))).toEqual([true, true, true, true, true]);
    expect(mayBeDone(new ConnectionLostError('cut'))).toBe(true);
    expect(mayBeDone(new ConnectionLostError('no connection', { isSent: false }))).toBe(false);
  });
});

describe('a server that falls silent', () => {
  it('in one direction or both is left, and the session is given up after two thirds of its time', async () => {
    await Promise.all((['both', 'up', 'down'] as const).map(fallSilent));
  });

  async function fallSilent(direction: 'both' | 'up' | 'down'): Promise<void> {
    const proxy = keep(await startTcpProxy({ target: zooKeeper.server.port }));
    const { session, root, told } = sessionTo([proxy.port], { timeoutMs: 2400 });
    await session.ready(5000);
    const { id } = session;
    const start = performance.now();
    proxy.silence(direction);
    await until('it is left', () => session.state !== 'connected');
    await until('the session is abandoned', () => told.includes('lost'), { timeoutMs: 4000 });
    // From the last write that was acknowledged; that had been sent at most a third before the silence.
    const passed = performance.now() - start;
    expect(passed).toBeGreaterThan(2400 / 3 - 100);
    expect(passed).toBeLessThan(1600 + 400 + 800);
    expect(session.state).toBe('none');
    // No connection of ours prolongs it, though the server may hear us.
    await until('the server has ended it', async () => (await zooKeeper.admin.children(`${root}/sessions`)).length === 0);
    proxy.cut();
    await proxy.restore();
    await session.ready(5000);
    expect(session.id).not.toBe(id);
    await session.close();
    await zooKeeper.admin.removeAll(root);
  }

  it('is not suspected while it answers, however long nothing is asked', async () => {
    const { session, root, told } = sessionTo([zooKeeper.server.port], { timeoutMs: 2400 });
    await session.ready(5000);
    const { id } = session;
    const end = performance.now() + 4000;
    await until('time passes', () => performance.now() > end);
    expect([session.id, session.state]).toEqual([id, 'connected']);
    expect(told).toEqual(['new']);
    await session.close();
    await zooKeeper.admin.removeAll(root);
  });
});

describe('a session that is ended by another client', () => {
  it('is reported, settles what was asked, and is followed by another', async () => {
    const { session, root, told } = sessionTo([zooKeeper.server.port]);
    const made: ReturnType<typeof driver.createClient>[] = [];
    const { createClient } = driver;
    driver.createClient = (...args) => {
      const client = createClient(...args);
      made.push(client);
      return client;
    };
    await session.ready(5000).finally(() => {
      driver.createClient = createClient;
    });
    const { id } = session;
    await session.create(`${root}/mine`, DATA, 'ephemeral');
    const client = made.at(-1);
    if (client === undefined) throw new Error('no client was made');
    const requests = Promise.allSettled(Array.from({ length: 20 }, () => session.beat()));
    await endSession(zooKeeper.server.port, client);
    await requests;
    await until('it is reported', () => told.includes('lost'));
    expect(await zooKeeper.admin.data(`${root}/mine`)).toBeNull();
    await session.ready(5000);
    expect(session.id).not.toBe(id);
    expect(told).toEqual(expect.arrayContaining(['new', 'lost', 'new']));
    await session.close();
    await zooKeeper.admin.removeAll(root);
  });
});

describe('authentication', () => {
  it('goes out in front of every request, on every connection', async () => {
    const relay = keep(await CuttingRelay.open(zooKeeper.server.port));
    const root = newRoot();
    const { session } = sessionTo([relay.port], {
      auth: { scheme: 'digest', credentials: 'user:word' },
      acl: [{ permissions: 31, scheme: 'auth', id: '' }],
      directories: [root, `${root}/sessions`],
    });
    await session.ready(5000);
    relay.cutAfter(1);
    await failureOf(session.beat());
    await session.ready(5000);
    expect(await session.getChildren(root)).toEqual(['sessions']);
    expect(relay.requests).toHaveLength(2);
    for (const sent of relay.requests) {
      // The second frame: a length, number -4, type 100.
      const second = 4 + sent.readInt32BE(0);
      expect([sent.readInt32BE(second + 4), sent.readInt32BE(second + 8)]).toEqual([-4, 100]);
    }
    // Others are shut out.
    expect(await zooKeeper.admin.children(root)).toEqual([]);
    await session.remove(`${root}/sessions/${session.id.toString(16).padStart(16, '0')}`);
    await session.remove(`${root}/sessions`);
    await session.remove(root);
  });
});

it('tells a refusal from what is not known', async () => {
  const { session, root } = sessionTo([zooKeeper.server.port]);
  await session.ready(5000);
  expect(isCode(await failureOf(session.getData(`${root}/no-such-node`)), 'NO_NODE')).toBe(true);
  expect(isCode(await failureOf(session.create(root, DATA, 'persistent')), 'NODE_EXISTS')).toBe(true);
  expect(isCode(await failureOf(session.remove(root)), 'NOT_EMPTY')).toBe(true);
  expect(isCode(await failureOf(session.setData(root, DATA, 7)), 'BAD_VERSION')).toBe(true);
  await session.close();
  await zooKeeper.admin.removeAll(root);
});

it('tells of a change once, and of a removal as that', async () => {
  const { session, root } = sessionTo([zooKeeper.server.port]);
  await session.ready(5000);
  const seen: string[] = [];
  await session.create(`${root}/node`, DATA, 'persistent');
  await session.getData(
    `${root}/node`,
    createWatcher((change) => void seen.push(change)),
  );
  await session.setData(`${root}/node`, DATA);
  await session.setData(`${root}/node`, DATA);
  await session.getData(
    `${root}/node`,
    createWatcher((change) => void seen.push(change)),
  );
  await session.getChildren(
    root,
    createWatcher(() => void seen.push('children')),
  );
  await session.remove(`${root}/node`);
  await until('the removal is reported', () => seen.length === 3);
  expect(seen).toEqual(expect.arrayContaining(['changed', 'removed', 'children']));
  await session.close();
  await zooKeeper.admin.removeAll(root);
});
