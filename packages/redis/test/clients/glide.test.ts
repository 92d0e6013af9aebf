import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createRedisLockManager } from '@holdfast/redis';
import { newName } from '@holdfast/test/backend';
import { startRedis, startRedisCluster, startTcpProxy, until } from '@holdfast/test/servers';
import { Decoder, GlideClient, GlideClusterClient, ProtocolVersion } from '@valkey/valkey-glide';
import { describe, expect, it, onTestFinished } from 'vitest';
import { useRedis } from '../redis-harness.js';

const DRIVER = '@valkey/valkey-glide';
const redis = useRedis();

type Settings = Omit<Parameters<typeof GlideClient.createClient>[0], 'addresses'>;

/** A client of the user's that ends with the test. */
async function connected(settings: Settings = {}, { host, port } = redis.server): Promise<GlideClient> {
  const client = await GlideClient.createClient({ requestTimeout: 5000, ...settings, addresses: [{ host, port }] });
  onTestFinished(() => client.close());
  return client;
}

describe("a user's client of GLIDE", () => {
  it.each([
    ['RESP2 and bytes', { protocol: ProtocolVersion.RESP2, defaultDecoder: Decoder.Bytes }],
    ['RESP3 and texts', { protocol: ProtocolVersion.RESP3, defaultDecoder: Decoder.String }],
  ])('with %s is used as it is and never closed', async (_, settings) => {
    const client = await connected(settings);
    const locks = createRedisLockManager({ client });
    const others = createRedisLockManager({ url: redis.server.url });
    onTestFinished(() => others.close());
    const name = newName();
    const held = await others.acquire(name);
    const waiting = locks.acquire(name, { waitMs: 10_000 });
    await until('it waits', async () => (await others.inspect(name)).waiters === 1);
    await held.release();
    const next = await waiting;
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken);
    await next.release();
    expect(await locks.checkHealth()).toMatchObject({ ok: true, driver: DRIVER });
    await locks.close();
    expect(String(await client.ping())).toBe('PONG');
  });

  it('takes no more requests than its limit, which is an outage and no refusal: nothing is left in the store', async () => {
    const client = await connected({ inflightRequestsLimit: 1 });
    const locks = createRedisLockManager({ client, allowEviction: true });
    onTestFinished(() => locks.close());
    const busy = client.customCommand(['BLPOP', newName(), '3']);
    const name = newName();
    await expect(locks.tryAcquire(name)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true, driver: DRIVER });
    await busy;
    await until('nothing is left', async () => (await redis.admin.exists(`holdfast:${name}`)) === 0);
    // A wait outlasts it.
    await (await locks.acquire(name, { waitMs: 10_000 })).release();
  });

  it('that gives up sooner than we do leaves nothing behind', async () => {
    const server = await startRedis();
    onTestFinished(() => server.close());
    const client = await connected({ requestTimeout: 100 }, server);
    const locks = createRedisLockManager({ client });
    onTestFinished(() => locks.close());
    await (await locks.acquire(newName())).release();
    const name = newName();
    await server.pause();
    await expect(locks.tryAcquire(name)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
    await server.continue();
    const others = createRedisLockManager({ url: server.url });
    onTestFinished(() => others.close());
    await (await others.acquire(name, { waitMs: 10_000 })).release();
  });

  it('that is closed is unavailable, not busy', async () => {
    const client = await connected();
    const locks = createRedisLockManager({ client, commandTimeoutMs: 500 });
    onTestFinished(() => locks.close());
    await (await locks.acquire(newName())).release();
    client.close();
    await expect(locks.tryAcquire(newName())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', driver: DRIVER });
  });

  it('serves again after a connection that was lost while nobody asked anything, waiters too', async () => {
    const client = await connected();
    const locks = createRedisLockManager({ client });
    const others = createRedisLockManager({ url: redis.server.url, driver: 'ioredis' });
    onTestFinished(async () => {
      await locks.close();
      await others.close();
    });
    const name = newName();
    await (await locks.acquire(name)).release();
    await redis.admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const held = await others.acquire(name, { waitMs: 10_000 });
    const waiting = locks.acquire(name, { waitMs: 10_000 });
    await until('it waits', async () => (await others.inspect(name)).waiters === 1);
    await redis.admin.client('KILL', 'TYPE', 'pubsub');
    await held.release();
    await (await waiting).release();
  });

  it('lists names beside keys that are no text', async () => {
    const client = await connected();
    await redis.admin.set(Buffer.from([0x68, 0xff, 0xfe]), 'x');
    const locks = createRedisLockManager({ client, prefix: '' });
    onTestFinished(() => locks.close());
    const name = newName();
    const lease = await locks.acquire(name);
    const names: string[] = [];
    for await (const state of locks.list({ prefix: name })) names.push(state.name);
    expect(names).toEqual([name]);
    await lease.release();
  });
});

it("a user's cluster client of GLIDE serves locks on all masters, waiters and lists", async () => {
  const servers = await startRedisCluster({ replicas: 0 });
  onTestFinished(() => servers.close());
  const client = await GlideClusterClient.createClient({
    requestTimeout: 5000,
    addresses: servers.nodes.map(({ host, port }) => ({ host, port })),
  });
  onTestFinished(() => client.close());
  const locks = createRedisLockManager({ client });
  const others = createRedisLockManager({ url: servers.url, driver: 'ioredis' });
  onTestFinished(async () => {
    await locks.close();
    await others.close();
  });
  const prefix = newName();
  const names = Array.from({ length: 30 }, (_, index) => `${prefix}-${index}`);
  const held = await locks.acquireAll(names);
  for (const name of names) expect(await others.tryAcquire(name)).toBeNull();
  const listed: string[] = [];
  for await (const { name } of locks.list({ prefix })) listed.push(name);
  expect(listed.sort()).toEqual([...names].sort());
  const waiting = others.acquire(names[0] ?? '', { waitMs: 10_000 });
  await held.release();
  const next = await waiting;
  const behind = locks.acquire(names[0] ?? '', { waitMs: 10_000 });
  await next.release();
  await (await behind).release();
  expect(await locks.checkHealth()).toMatchObject({ ok: true, driver: DRIVER });
});

it('a connection of our own that GLIDE has made anew answers what is on its way, and ends behind it', async () => {
  const server = await startRedis();
  onTestFinished(() => server.close());
  const proxy = await startTcpProxy({ target: server.port });
  onTestFinished(() => proxy.close());
  const locks = createRedisLockManager({ url: proxy.urlFor(server.url), driver: DRIVER });
  onTestFinished(() => locks.close());
  const admin = await connected({}, server);
  const lease = await locks.acquire(newName());
  const since = performance.now();
  proxy.cut();
  await until('GLIDE has connected by itself', () => proxy.accepted > 1 && proxy.connections > 0);
  await until('the next request finds out', () => performance.now() - since > 1100);
  // The look at the connection is answered at once, the release behind it is not.
  await admin.customCommand(['CLIENT', 'PAUSE', '300', 'WRITE']);
  expect(await lease.release()).toBe(true);
  const accepted = proxy.accepted;
  await (await locks.acquire(lease.name)).release();
  expect(proxy.accepted).toBeGreaterThan(accepted);
  await until('the former one is closed', () => proxy.connections === 1);
});

it('connections of our own by GLIDE keep no process alive that holds a lock and listens', async () => {
  const holdfast = new URL('../../dist/index.js', import.meta.url).href;
  const script = `
    const { createRedisLockManager } = await import(${JSON.stringify(holdfast)});
    const locks = createRedisLockManager({ url: ${JSON.stringify(redis.server.url)}, driver: ${JSON.stringify(DRIVER)} });
    const lease = await locks.acquire(${JSON.stringify(newName())});
    const waiting = await locks.acquire(lease.name, { waitMs: 100 }).catch((error) => error.code);
    console.log(waiting);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'close', { signal: AbortSignal.timeout(20_000) })) as [number];
  expect(output).toBe('LOCK_TIMEOUT\n');
  expect(code).toBe(0);
});
