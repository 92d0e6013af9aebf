import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { systemClock } from '@holdfast/core';
import { createManualClock } from '@holdfast/core/testing';
import { until } from '@holdfast/test/servers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Connection } from '../src/connection.js';
import { PoolSource } from '../src/connection-source.js';
import type { DriverClient, PostgresPool } from '../src/postgres-client.js';

/** A client with nothing but a socket, and what the other end hears. */
async function wire(): Promise<{ readonly client: DriverClient; readonly socket: Socket; ends(): readonly string[] }> {
  const ends: string[] = [];
  const server = createServer((socket) => {
    socket.resume();
    socket.on('error', (error: NodeJS.ErrnoException) => ends.push(error.code ?? 'error'));
    socket.on('end', () => ends.push('end'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const socket = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
  await once(socket, 'connect');
  onTestFinished(() => {
    socket.destroy();
    server.close();
  });
  const client: DriverClient = {
    connection: { stream: socket },
    query: () => {},
    end: () => socket.end(),
    on: () => {},
    removeListener: () => {},
    removeAllListeners: () => {},
  };
  return { client, socket, ends: () => ends };
}

describe('a connection of ours', () => {
  it('is reset when it is given up, so that what it has not sent is not sent later', async () => {
    const { client, ends } = await wire();
    new Connection(client, systemClock).destroy();
    await until('the other end is notified', () => ends().length > 0);
    expect(ends()).toEqual(['ECONNRESET']);
  });

  it('that cannot be reset is closed', async () => {
    const { client, socket, ends } = await wire();
    socket.resetAndDestroy = () => {
      throw new TypeError('a socket of TLS');
    };
    new Connection(client, systemClock).destroy();
    await until('the other end is notified', () => ends().length > 0);
    expect(ends()).toEqual(['end']);
  });

  it('says goodbye when it is not needed any more, and is cut when that is not heard', async () => {
    const { client, socket, ends } = await wire();
    const clock = createManualClock();
    new Connection({ ...client, end: () => {} }, clock).end();
    await clock.advance(499);
    expect(socket.destroyed).toBe(false);
    await clock.advance(1);
    expect(socket.destroyed).toBe(true);
    await until('the other end is notified', () => ends().length > 0);
    expect(ends()).toEqual(['end']);
  });
});

describe("a pool of the user's", () => {
  it('lends a few connections at a time, hands on the turn, and gets back what comes too late', async () => {
    const clock = createManualClock();
    const released: boolean[] = [];
    const waiting: ((client: DriverClient) => void)[] = [];
    const { client } = await wire();
    const pool = { connect: () => new Promise((resolve) => waiting.push(resolve)), totalCount: 0 } as unknown as PostgresPool;
    const source = new PoolSource(pool, clock);
    const lend = (): DriverClient => ({ ...client, release: (destroy) => released.push(destroy === true) });
    const uses = Array.from({ length: 5 }, () => source.borrow(1_000, () => Promise.resolve('used')).catch((error: unknown) => error));
    await clock.settle();
    // The fifth stands in line.
    expect(waiting).toHaveLength(4);
    waiting[0]?.(lend());
    await clock.settle();
    expect(waiting).toHaveLength(5);
    await clock.advance(900);
    for (const give of waiting.slice(1)) give(lend());
    const [first, ...others] = await Promise.all(uses);
    expect(first).toBe('used');
    for (const other of others) expect(other).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true, wasSent: false });
    expect(released).toEqual([false, false, false, false, false]);
    expect(clock.pendingTimers).toBe(0);
  });
});
