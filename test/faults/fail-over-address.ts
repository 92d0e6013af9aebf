import { connect, createServer, type Server, type Socket } from 'node:net';

/** One address for whichever server it leads to, as an operator's fail-over address does. */
export class FailOverAddress {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  #target: number;

  private constructor(server: Server, port: number, sockets: Set<Socket>, target: number) {
    this.#server = server;
    this.port = port;
    this.#sockets = sockets;
    this.#target = target;
    server.on('connection', (client: Socket) => this.#join(client));
  }

  /** @param target the port on 127.0.0.1 to which it leads first */
  static async open(target: number): Promise<FailOverAddress> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a server on a port was asked for');
    return new FailOverAddress(server, address.port, new Set(), target);
  }

  /** The same URL as the one given, with this address in it. */
  urlFor(url: string): string {
    return url.replace(/@[^/]*/, `@127.0.0.1:${this.port}`);
  }

  /** New connections lead to this port from now on; those that there are end. */
  lead(target: number): void {
    this.#target = target;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket): void {
    const upstream = connect({ port: this.#target, host: '127.0.0.1' });
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
  }
}
