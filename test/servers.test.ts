import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  askRedis,
  findProcessSource,
  pgBouncerSpec,
  type RedisServer,
  redisSpec,
  reservePort,
  startRedis,
  startRedisCluster,
  startRedisWithReplica,
  startRedisWithSentinels,
  until,
} from '@holdfast/test/servers';
import { afterEach, describe, expect, test, vi } from 'vitest';

/** A plain connection that only this test talks over. */
async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

const answers = (server: RedisServer): Promise<boolean> =>
  askRedis(server.port, 'PING', 300).then(
    (reply) => reply === 'PONG',
    () => false,
  );

describe('a Redis server', () => {
  test('answers, takes its configuration, and is gone with its directory after close', async () => {
    const server = await startRedis({ config: { maxmemory: '3mb', save: ['3600 1', '300 100'] } });
    expect(await askRedis(server.port, 'PING')).toBe('PONG');
    expect(await askRedis(server.port, 'INFO memory')).toContain('maxmemory_human:3.00M');
    await server.close();
    await server.close();
    expect(server.isRunning).toBe(false);
    expect(await answers(server)).toBe(false);
  });

  test('stands still while it is paused and keeps its connections', async () => {
    await using server = await startRedis();
    const socket = await open(server.port);
    await server.pause();
    socket.write('PING\r\n');
    expect(await answers(server)).toBe(false);
    expect(socket.bytesRead).toBe(0);
    await server.continue();
    await until('the reply came after all', () => socket.bytesRead > 0);
    socket.destroy();
  });

  test('forgets everything when it is killed, and comes back on the same port', async () => {
    await using server = await startRedis();
    await askRedis(server.port, 'SET name value');
    const { pid, port } = server;
    await server.kill();
    expect(server.isRunning).toBe(false);
    expect(await answers(server)).toBe(false);
    await server.restart();
    expect(server.port).toBe(port);
    expect(await askRedis(port, 'EXISTS name')).toBe('0');
    if (server.source === 'binary') expect(server.pid).not.toBe(pid);
  });

  test('keeps its data over a restart when it is asked to write them', async () => {
    await using server = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always' } });
    await askRedis(server.port, 'SET name value');
    await server.kill();
    await server.restart();
    expect(await askRedis(server.port, 'GET name')).toBe('value');
    await server.pause();
    await server.restart();
    expect(await askRedis(server.port, 'GET name')).toBe('value');
  });

  test('says what was wrong when it cannot start', async () => {
    await expect(startRedis({ config: { 'no-such-directive': 1 } })).rejects.toThrow(/no-such-directive/);
  });

  test('has a port that nobody else is given, also while it is down', async () => {
    await using server = await startRedis();
    await server.kill();
    const reserved = await Promise.all(Array.from({ length: 50 }, () => reservePort()));
    const ports = [server.port, ...reserved.map(({ port }) => port)];
    expect(new Set(ports).size).toBe(ports.length);
    for (const each of reserved) each.release();
  });
});

test('a primary and its replicas are in step when they are handed over', async () => {
  await using servers = await startRedisWithReplica({ replicas: 2 });
  await askRedis(servers.primary.port, 'SET name value');
  for (const replica of servers.replicas) {
    await until('the write is on the replica', async () => (await askRedis(replica.port, 'GET name')) === 'value');
    expect(await askRedis(replica.port, 'SET other value')).toMatch(/^-READONLY/);
  }
  await servers.primary.pause();
  expect(await askRedis(servers.replica.port, 'GET name')).toBe('value');
});

test('sentinels know the primary, and name the replica when the primary is killed', async () => {
  await using servers = await startRedisWithSentinels({ sentinels: 3, downAfterMs: 500 });
  expect(servers.sentinels).toHaveLength(3);
  expect(await servers.primaryPort()).toBe(servers.primary.port);
  await servers.primary.kill();
  await until('the replica is the primary', async () => (await servers.primaryPort()) === servers.replica.port, { timeoutMs: 25_000 });
  await until('it says so itself', async () => /^role:master/m.test(await askRedis(servers.replica.port, 'INFO replication')));
});

test('a cluster serves every slot, and a replica takes over for a killed master', async () => {
  await using cluster = await startRedisCluster({ nodeTimeoutMs: 1_000 });
  expect(cluster.masters).toHaveLength(3);
  expect(cluster.replicas).toHaveLength(3);
  for (const node of cluster.nodes) expect(await askRedis(node.port, 'CLUSTER INFO')).toContain('cluster_state:ok');
  const [victim] = cluster.masters;
  const heir = cluster.replicas.find((node) => node.replicaOf === victim?.id);
  if (!victim || !heir) throw new Error('every master has a replica');
  await victim.kill();
  await until('the replica became a master', async () => /^role:master/m.test(await askRedis(heir.port, 'INFO replication')), {
    timeoutMs: 20_000,
  });
  await cluster.ready();
  await victim.restart();
  await until('the old master follows', async () => /^role:slave/m.test(await askRedis(victim.port, 'INFO replication')), {
    timeoutMs: 20_000,
  });
});

describe('a server given by its address', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('is reached through a wire that can be silenced and cut', async () => {
    await using real = await startRedis({ config: {} });
    vi.stubEnv('HOLDFAST_TEST_SERVERS', '');
    vi.stubEnv('HOLDFAST_TEST_REDIS_URL', `redis://user:secret@127.0.0.1:${real.port}/3`);
    await using server = await startRedis();
    expect(server.source).toBe('address');
    expect(server.url).toBe(`redis://user:secret@127.0.0.1:${server.port}/3`);
    await until('it answers', () => answers(server));
    await server.pause();
    expect(await answers(server)).toBe(false);
    await server.continue();
    await until('it answers again', () => answers(server));
    await server.kill();
    expect([server.isRunning, await answers(server)]).toEqual([false, false]);
    await server.restart();
    expect(server.isRunning).toBe(true);
    await until('it answers after its restart', () => answers(server));
  });

  test('does not stand in where a configuration of its own is asked for', async () => {
    vi.stubEnv('HOLDFAST_TEST_SERVERS', '');
    vi.stubEnv('HOLDFAST_TEST_REDIS_URL', 'redis://127.0.0.1:1');
    await using server = await startRedis({ config: { maxmemory: '3mb' } });
    expect(server.source).not.toBe('address');
    await until('it answers', () => answers(server));
  });

  test('is refused when it is no address', async () => {
    vi.stubEnv('HOLDFAST_TEST_SERVERS', '');
    vi.stubEnv('HOLDFAST_TEST_REDIS_URL', 'localhost');
    await expect(startRedis()).rejects.toThrow(/HOLDFAST_TEST_REDIS_URL/);
  });
});

test('a source that is not known is refused with the ones that are', async () => {
  vi.stubEnv('HOLDFAST_TEST_SERVERS', 'magic');
  try {
    await expect(findProcessSource({ ...redisSpec, binary: 'not-asked-for-yet' })).rejects.toThrow(/binary, container, apt/);
  } finally {
    vi.unstubAllEnvs();
  }
});

test('what comes in no container is a program of this machine beside those that do', async () => {
  vi.stubEnv('HOLDFAST_TEST_SERVERS', 'container');
  try {
    expect(await findProcessSource({ ...pgBouncerSpec, binary: 'node' })).toMatchObject({ kind: 'binary' });
  } finally {
    vi.unstubAllEnvs();
  }
});

test('a server that cannot be had fails with what to install', async () => {
  vi.stubEnv('HOLDFAST_TEST_SERVERS', 'binary');
  try {
    await expect(findProcessSource({ ...redisSpec, binary: 'no-such-server' })).rejects.toThrow(
      /apt-get install redis-server[^]*HOLDFAST_TEST_REDIS_URL/,
    );
  } finally {
    vi.unstubAllEnvs();
  }
});
