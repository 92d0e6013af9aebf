import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { FrameReader, readReplyHeader } from '../src/frame-reader.js';

const NOTIFICATION = -1;

/**
 * A wire to a server on which requests that go out together are answered together: answers are held back until each request that was sent has one. So
 * every delivery of answers is one round trip, however quick the machine is.
 */
export class RoundTripCounter {
  /** How often answers were delivered. */
  count = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number) {
    this.#server = createServer((client) => this.#serve(client, connect({ port: target, host: '127.0.0.1', noDelay: true })));
  }

  static async open(target: number): Promise<RoundTripCounter> {
    const counter = new RoundTripCounter(target);
    counter.#server.listen(0, '127.0.0.1');
    await once(counter.#server, 'listening');
    return counter;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many round trips pass until it is settled. */
  async during(work: () => Promise<unknown>): Promise<number> {
    const before = this.count;
    await work();
    return this.count - before;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket, upstream: Socket): void {
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    const [requests, answers] = [new FrameReader(), new FrameReader()];
    let unanswered = 0;
    let held: Buffer[] = [];
    let isFirst = true;
    client.on('data', (chunk) => {
      unanswered += requests.read(chunk).length;
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      for (const frame of answers.read(chunk)) {
        // The answer to the handshake has no header.
        const isNotification = !isFirst && readReplyHeader(frame).xid === NOTIFICATION;
        isFirst = false;
        if (!isNotification) unanswered -= 1;
        held.push(frame);
      }
      if (unanswered > 0) return;
      if (held.some((frame) => readReplyHeader(frame).xid !== NOTIFICATION)) this.count += 1;
      client.write(Buffer.concat(held));
      held = [];
    });
  }
}
