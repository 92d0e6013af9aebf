import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { startTcpProxy, type TcpProxy, until } from '@holdfast/test/servers';
import { afterEach, beforeEach, expect, test } from 'vitest';

/** A server that answers every piece with itself, and remembers what came and how its connections ended. */
const seen = { text: '', resets: 0, ends: 0 };
const upstreams = new Set<Socket>();
const server = createServer({ noDelay: true }, (socket) => {
  upstreams.add(socket);
  socket.on('data', (chunk) => {
    seen.text += chunk.toString();
    socket.write(chunk);
  });
  socket.on('end', () => {
    seen.ends += 1;
  });
  socket.on('error', () => {
    seen.resets += 1;
  });
});

let proxy: TcpProxy;
let clients: Socket[] = [];

beforeEach(async () => {
  Object.assign(seen, { text: '', resets: 0, ends: 0 });
  if (!server.listening) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server listens on a port');
  proxy = await startTcpProxy({ target: `127.0.0.1:${address.port}` });
});

afterEach(async () => {
  for (const socket of [...clients, ...upstreams]) socket.destroy();
  clients = [];
  upstreams.clear();
  await proxy.close();
});

async function open(): Promise<{
  readonly socket: Socket;
  readonly got: () => string;
  readonly code: () => string | null;
  readonly ended: () => boolean;
}> {
  const socket = connect({ port: proxy.port, host: proxy.host, noDelay: true });
  let text = '';
  let code: string | null = null;
  let ended = false;
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.on('end', () => {
    ended = true;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code ?? 'unknown';
  });
  clients.push(socket);
  await once(socket, 'connect');
  return { socket, got: () => text, code: () => code, ended: () => ended };
}

test('passes bytes both ways and counts them', async () => {
  const client = await open();
  client.socket.write('hello');
  await until('the answer', () => client.got() === 'hello');
  expect(proxy.bytes).toEqual({ up: 5, down: 5 });
  expect([proxy.accepted, proxy.connections]).toEqual([1, 1]);
  client.socket.end();
  await until('both ends are closed', () => proxy.connections === 0);
  expect([seen.ends, seen.resets, client.code()]).toEqual([1, 0, null]);
});

test('a cut resets both sides, and the next connection is accepted', async () => {
  const client = await open();
  client.socket.write('x');
  await until('the answer', () => client.got() === 'x');
  proxy.cut();
  await until('both sides see a reset', () => client.code() === 'ECONNRESET' && seen.resets === 1);
  expect(client.ended()).toBe(false);
  const next = await open();
  next.socket.write('y');
  await until('the answer on a new connection', () => next.got() === 'y');
});

test('a silence delivers nothing, keeps connections, and ends with late delivery', async () => {
  const client = await open();
  client.socket.write('a');
  await until('the answer', () => client.got() === 'a');
  proxy.silence();
  client.socket.write('b');
  const late = await open();
  late.socket.write('c');
  // Sent after both on a wire of its own, so both had their chance to come through.
  const bytes = { ...proxy.bytes };
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect([client.got(), late.got(), seen.text]).toEqual(['a', '', 'a']);
  expect(proxy.bytes).toEqual(bytes);
  expect(client.socket.readyState).toBe('open');
  await proxy.restore();
  await until('late delivery', () => client.got() === 'ab' && late.got() === 'c');
});

test('a silence downwards lets a request through and loses its reply with a cut', async () => {
  const client = await open();
  client.socket.write('a');
  await until('the answer', () => client.got() === 'a');
  proxy.silence('down');
  client.socket.write('b');
  await until('the request arrived', () => seen.text === 'ab');
  proxy.cut();
  await until('the client is notified', () => client.code() !== null);
  await proxy.restore();
  expect(client.got()).toBe('a');
});

test('what is held up arrives when it is delivered, also from a client that has gone', async () => {
  const client = await open();
  client.socket.write('a');
  await until('the answer', () => client.got() === 'a');
  proxy.hold();
  client.socket.write('b');
  await until('the request is on its way', () => proxy.held === 1);
  proxy.pass();
  proxy.cutClients();
  await until('the client has lost its connection', () => client.code() === 'ECONNRESET');
  const next = await open();
  next.socket.write('c');
  await until('a new connection is served', () => next.got() === 'c');
  expect([seen.text, seen.resets, seen.ends, proxy.held]).toEqual(['ac', 0, 0, 1]);
  await proxy.deliver();
  expect([seen.text, seen.resets, seen.ends, proxy.held]).toEqual(['acb', 0, 0, 0]);
});

test('the server does not learn that a client has gone whose requests are held up', async () => {
  const client = await open();
  proxy.hold();
  client.socket.write('a');
  await until('the request is on its way', () => proxy.held === 1);
  client.socket.resetAndDestroy();
  const other = await open();
  other.socket.end('b');
  await until('both are on their way', () => proxy.held === 2);
  expect([seen.text, seen.resets, seen.ends]).toEqual(['', 0, 0]);
  await proxy.deliver();
  expect([seen.text.length, seen.resets, seen.ends]).toEqual([2, 0, 0]);
  expect(client.socket.destroyed).toBe(true);
});

test('refuses connections and accepts them again on the same port', async () => {
  const client = await open();
  await proxy.refuse();
  await until('the open one is cut', () => client.code() === 'ECONNRESET');
  await expect(open()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await proxy.restore();
  const next = await open();
  next.socket.write('y');
  await until('the answer', () => next.got() === 'y');
});

test('a delay holds every byte back and keeps the order', async () => {
  proxy.delayMs = 60;
  const client = await open();
  const start = performance.now();
  client.socket.write('1');
  client.socket.write('2');
  setTimeout(() => client.socket.write('3'), 20);
  await until('the answer', () => client.got() === '123');
  expect(performance.now() - start).toBeGreaterThanOrEqual(119);
});

test('a server that goes away is seen by the client', async () => {
  const client = await open();
  client.socket.write('x');
  await until('the answer', () => client.got() === 'x');
  for (const upstream of upstreams) upstream.end();
  await until('the end', () => client.ended());
  client.socket.destroy();
  const other = await open();
  other.socket.write('x');
  await until('the answer', () => other.got() === 'x');
  for (const upstream of upstreams) upstream.resetAndDestroy();
  await until('the reset', () => other.code() === 'ECONNRESET');
});

test('a cut closes a connection whose end is just being reported to the server', async () => {
  const client = await open();
  client.socket.write('hello');
  await until('the server has a connection', () => seen.text === 'hello');
  const [upstream] = upstreams;
  if (upstream === undefined) throw new Error('no connection');
  proxy.silence();
  client.socket.end();
  await until('the client has said its goodbye', () => client.socket.writableFinished);
  // In one turn of the loop, so that what restore() sends is still on its way.
  const restored = proxy.restore();
  proxy.cut();
  await restored;
  await until('the proxy has none left', () => proxy.connections === 0);
  await until('the server has none left', () => upstream.readableEnded || upstream.errored !== null);
});
