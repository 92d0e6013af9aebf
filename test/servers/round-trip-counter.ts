import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { until } from './until.js';

/** Longer than a server needs to answer what it was asked. */
const QUIET_MS = 50;

/** What one connection of a protocol carries. */
export interface Wire {
  /** How many requests end in what the client has sent next. */
  requestsIn(chunk: Buffer): number;
  /** What is whole of what the server has sent so far. */
  answersIn(chunk: Buffer): readonly Piece[];
}

/** Something that the server has said. */
export interface Piece {
  readonly bytes: Buffer;
  /** Whether it ends the answer to a request; a message that nobody asked for does not. */
  readonly isAnswer: boolean;
}

/**
 * A wire to one server, or to several, on which requests that go out together are answered together: answers are held back until each request that
 * was sent, on any of the connections, has its own. So every delivery of answers is one round trip, however quick the machine is.
 */
export class RoundTripCounter {
  /** How often answers were delivered. */
  count = 0;
  readonly #servers: readonly Server[];
  readonly #sockets = new Set<Socket>();
  readonly #held: { readonly to: Socket; readonly bytes: Buffer }[] = [];
  #unanswered = 0;
  #hasAnswer = false;

  private constructor(targets: readonly number[], newWire: () => Wire) {
    this.#servers = targets.map((port) =>
      createServer({ noDelay: true }, (client) => this.#serve(client, connect({ port, host: '127.0.0.1', noDelay: true }), newWire())),
    );
  }

  /** @param targets ports of 127.0.0.1 */
  static async open(targets: readonly number[], newWire: () => Wire): Promise<RoundTripCounter> {
    const counter = new RoundTripCounter(targets, newWire);
    for (const server of counter.#servers) server.listen(0, '127.0.0.1');
    await Promise.all(counter.#servers.map((server) => once(server, 'listening')));
    return counter;
  }

  /** In the order of the targets. */
  get ports(): readonly number[] {
    return this.#servers.map((server) => (server.address() as AddressInfo).port);
  }

  /** How many round trips pass until it is settled, from when nothing of before is under way. */
  async during<T>(work: () => Promise<T>): Promise<readonly [number, T]> {
    await this.quiet();
    const before = this.count;
    const result = await work();
    return [this.count - before, result];
  }

  /** Until nothing is on the wire. */
  async quiet(): Promise<void> {
    let last = -1;
    await until('the wire is quiet', () => this.#unanswered === 0 && last === (last = this.count), { everyMs: QUIET_MS });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
    await Promise.all(this.#servers.map((server) => once(server, 'close')));
  }

  #serve(client: Socket, upstream: Socket, wire: Wire): void {
    let own = 0;
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        upstream.destroy();
        // What this connection has not answered never will be.
        this.#unanswered -= own;
        own = 0;
        this.#deliver();
      });
    }
    client.on('data', (chunk: Buffer) => {
      const requests = wire.requestsIn(chunk);
      own += requests;
      this.#unanswered += requests;
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      for (const { bytes, isAnswer } of wire.answersIn(chunk)) {
        this.#held.push({ to: client, bytes });
        if (!isAnswer) continue;
        own -= 1;
        this.#unanswered -= 1;
        this.#hasAnswer = true;
      }
      this.#deliver();
    });
  }

  #deliver(): void {
    if (this.#unanswered > 0) return;
    if (this.#hasAnswer) this.count += 1;
    this.#hasAnswer = false;
    for (const { to, bytes } of this.#held.splice(0)) if (!to.destroyed) to.write(bytes);
  }
}
