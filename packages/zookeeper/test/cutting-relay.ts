import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A wire to a server that ends a connection after an exact number of bytes, in the middle of a frame if need be. */
export class CuttingRelay {
  /** All that clients sent, by connection. */
  readonly requests: Buffer[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What becomes of the next bytes towards a client. */
  changeNext: ((chunk: Buffer) => void) | null = null;
  #left = Number.POSITIVE_INFINITY;

  private constructor(target: number) {
    this.#server = createServer((client) => {
      const upstream = connect({ port: target, host: '127.0.0.1', noDelay: true });
      const index = this.requests.push(Buffer.alloc(0)) - 1;
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.once('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
      client.on('data', (chunk) => {
        this.requests[index] = Buffer.concat([this.requests[index] ?? Buffer.alloc(0), chunk]);
        upstream.write(chunk);
      });
      upstream.on('data', (chunk) => {
        this.changeNext?.(chunk);
        this.changeNext = null;
        const allowed = chunk.subarray(0, this.#left);
        this.#left -= allowed.length;
        if (this.#left > 0) {
          client.write(allowed);
          return;
        }
        // Once; the next connection is whole. What was written arrives before the end of the stream.
        this.#left = Number.POSITIVE_INFINITY;
        client.end(allowed);
        upstream.destroy();
      });
    });
  }

  static async open(target: number): Promise<CuttingRelay> {
    const relay = new CuttingRelay(target);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Lets so many more bytes through to clients, then cuts. */
  cutAfter(bytes: number): void {
    this.#left = bytes;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** A server that answers every connection with the same bytes, or with nothing. */
export async function startFakeServer(answer: Buffer | null): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => {
      if (answer !== null) socket.write(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A server that ends every connection as soon as it is made, and counts them. */
export async function startRefusingServer(): Promise<{ readonly port: number; readonly tries: number; close(): Promise<void> }> {
  let tries = 0;
  const server = createServer((socket) => {
    tries += 1;
    socket.resetAndDestroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get tries() {
      return tries;
    },
    async close() {
      server.close();
      await once(server, 'close');
    },
  };
}
