import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A proxy that has taken in what a client sent and delivers it later, also when the client has long gone: as proxies do, and the
 * network by sending again.
 */
export class LateProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  readonly #clients = new Set<Socket>();
  /** What is held up, by connection: what comes behind it on the same one waits too. */
  readonly #held = new Map<Socket, Buffer[]>();
  #isHolding = false;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  static async start(target: number): Promise<LateProxy> {
    const proxy = new LateProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    proxy.#server.unref();
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  /** How many packets are held up. */
  get held(): number {
    return [...this.#held.values()].reduce((sum, chunks) => sum + chunks.length, 0);
  }

  /** From now on what clients send is held up, on every connection. */
  hold(): void {
    this.#isHolding = true;
  }

  /** From now on what clients send on other connections passes; what is held up stays so, and what comes behind it. */
  pass(): void {
    this.#isHolding = false;
  }

  /** Ends the clients' side of every connection. The server is not told, and what was taken in still arrives. */
  cutClients(): void {
    for (const client of this.#clients) client.resetAndDestroy();
  }

  /** What is held up arrives. */
  deliver(): void {
    for (const [to, chunks] of this.#held) for (const chunk of chunks) to.write(chunk);
    this.#held.clear();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #accept(client: Socket): void {
    const server = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      // The client's end, in whatever way, is not told to the server: what is on its way still arrives.
      socket.on('error', () => {});
    }
    this.#clients.add(client);
    client.once('close', () => this.#clients.delete(client));
    client.on('data', (chunk) => {
      const chunks = this.#held.get(server);
      if (chunks !== undefined) chunks.push(chunk);
      else if (this.#isHolding) this.#held.set(server, [chunk]);
      else server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (!client.destroyed) client.write(chunk);
    });
  }
}
