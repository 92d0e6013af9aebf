import { startTcpProxy, type TcpProxy } from '@holdfast/core/conformance';
import type { ServerHandle } from './server-handle.js';
import type { ServerSpec } from './server-spec.js';

/**
 * A server that somebody else runs, behind a proxy of ours: so a test can do to the way there what it may not do to the server.
 * A "paused" server here goes on counting its clients' time, a "killed" one keeps its data, as in a partitioned network.
 */
export class AddressServer implements ServerHandle {
  readonly source = 'address';
  readonly pid = undefined;
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly url: string;
  readonly #proxy: TcpProxy;
  #running = true;

  private constructor(proxy: TcpProxy, address: string) {
    this.#proxy = proxy;
    this.port = proxy.port;
    this.url = proxy.urlFor(address);
  }

  /** @param schemes what the address may begin with, the usual one first */
  static async open(spec: ServerSpec, schemes: readonly string[], address: string): Promise<AddressServer> {
    const url = URL.canParse(address) ? new URL(address) : null;
    if (url === null || !schemes.includes(url.protocol.slice(0, -1)) || url.hostname === '') {
      throw new TypeError(`${spec.addressVariable} must be ${schemes[0]}://host:port, with user, password and database if need be`);
    }
    return new AddressServer(await startTcpProxy({ target: `${url.hostname}:${url.port || spec.imagePort}` }), address);
  }

  get isRunning(): boolean {
    return this.#running;
  }

  async pause(): Promise<void> {
    this.#proxy.silence();
  }

  async continue(): Promise<void> {
    await this.#proxy.restore();
  }

  async kill(): Promise<void> {
    this.#running = false;
    await this.#proxy.refuse();
  }

  async stop(): Promise<void> {
    await this.kill();
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.#proxy.restore();
    this.#running = true;
  }

  async log(): Promise<string> {
    return '';
  }

  async close(): Promise<void> {
    this.#running = false;
    await this.#proxy.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
