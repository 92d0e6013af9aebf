import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../store.js';
import type * as Built from './slow-down.js';

// As built: the network is a process, which runs what was compiled.
const built = new URL('../dist/latency/slow-down.js', import.meta.url).href;
const { slowDown } = (await import(built)) as typeof Built;

let echo: Server;
let far: Store;
const sockets = new Set<Socket>();

const storeAt = (address: string): Store => ({
  backend: 'redlock',
  address,
  title: 'echo',
  pids: [],
  register: {
    read: async () => 0,
    write: async () => undefined,
    ticket: async () => 1,
    close: async () => undefined,
  },
  observer: null,
  close: async () => undefined,
});

beforeEach(async () => {
  echo = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  far = await slowDown(storeAt(`redis://127.0.0.1:${port},redis://127.0.0.1:${port}`), 40);
});
afterEach(async () => {
  await far.close();
  for (const socket of sockets) socket.destroy();
  echo.close();
  await once(echo, 'close');
});

describe('a store that is a network away', () => {
  it('answers at every of its addresses, whole, in order, and not before the round trip has passed', async () => {
    const sent = Array.from({ length: 50 }, (_, index) => `line ${index}\n`).join('');
    for (const address of far.address.split(',')) {
      const { hostname, port } = new URL(address);
      const socket = connect(Number(port), hostname);
      await once(socket, 'connect');
      const start = performance.now();
      let received = '';
      socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
      socket.end(sent);
      await once(socket, 'close');
      // Timers and clocks of two processes: a millisecond.
      expect(performance.now() - start).toBeGreaterThan(39);
      expect(received).toBe(sent);
    }
  });

  it('is a network no more once it is closed', async () => {
    const { port } = new URL(far.address.split(',')[0] ?? '');
    await far.close();
    await expect(once(connect(Number(port), '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
