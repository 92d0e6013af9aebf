import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type ReservedPort, reservePort } from './free-port.js';
import { type ProxyDirection, ProxyLink } from './proxy-link.js';

export interface TcpProxyOptions {
  /** `host:port`, or a URL with both, or a port on 127.0.0.1. Changing servers behind a proxy needs a new proxy. */
  readonly target: string | number;
}

/** A wire between a client and a server that a test can cut, silence and slow down, and on which requests can arrive late. */
export interface TcpProxy extends AsyncDisposable {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Connections open now, and all that were ever accepted. */
  readonly connections: number;
  readonly accepted: number;
  /** Bytes delivered so far, by direction. */
  readonly bytes: Readonly<Record<ProxyDirection, number>>;
  /** Every byte is delivered this much later than it came, in order. May be set at any time. @default 0 */
  delayMs: number;
  /** The same URL as the one given, with this proxy's address in it. */
  urlFor(url: string): string;
  /** Ends every open connection with a RST on both sides. New ones are accepted as before. */
  cut(): void;
  /**
   * Goes on accepting connections but delivers nothing: a network that drops packets. What is sent meanwhile is delivered after
   * `restore()`, late, as TCP would by retransmitting; `cut()` before that loses it. One direction alone makes a half-open
   * connection: after `silence('down')` commands still reach the server and no reply comes back.
   */
  silence(direction?: ProxyDirection | 'both'): void;
  /**
   * From now on what clients send is taken in and held up, on every connection, until `deliver()`; what comes behind it on the same
   * connection too. Servers do not learn of the end of such a connection: a proxy or a router that is gone tells nobody.
   */
  hold(): void;
  /** How many pieces are held up. */
  readonly held: number;
  /** Ends `hold()` for other connections: what is held up stays so. */
  pass(): void;
  /** Ends the clients' side of every open connection with a RST. What was held up stays on its way. */
  cutClients(): void;
  /** What was held up arrives, also from clients that have gone. Settles when the servers have dealt with it. */
  deliver(): Promise<void>;
  /**
   * The next reply on any connection is cut in its middle: half of what comes is delivered, then the connection ends. Settles when that has
   * happened.
   */
  cutNextReply(): Promise<void>;
  /** Cuts, and from now on new connections are refused, as by a machine whose server is down. */
  refuse(): Promise<void>;
  /** Ends `silence`, `hold` and `refuse`. */
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a proxy on a free port of 127.0.0.1. */
export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const proxy = new Wire(parseTarget(options.target), await reservePort());
  await proxy.restore();
  return proxy;
}

interface Target {
  readonly host: string;
  readonly port: number;
}

function parseTarget(target: string | number): Target {
  if (typeof target === 'number') return { host: '127.0.0.1', port: target };
  const match = /^(?:[a-z+]+:\/\/)?(?:[^@/]*@)?(\[[^\]]+\]|[^:/]+):(\d+)(?:[/?].*)?$/i.exec(target);
  if (!match?.[1] || !match[2]) throw new TypeError('target must be a port, host:port, or a URL with a host and a port');
  return { host: match[1].replace(/^\[|\]$/g, ''), port: Number(match[2]) };
}

class Wire implements TcpProxy {
  readonly host = '127.0.0.1';
  readonly bytes: Record<ProxyDirection, number> = { up: 0, down: 0 };
  delayMs = 0;
  accepted = 0;
  readonly #target: Target;
  readonly #reserved: ReservedPort;
  readonly #links = new Set<ProxyLink>();
  readonly #silent: Record<ProxyDirection, boolean> = { up: false, down: false };
  #isHolding = false;
  #onCutReply: (() => void) | null = null;
  #server: Server | null = null;

  constructor(target: Target, reserved: ReservedPort) {
    this.#target = target;
    this.#reserved = reserved;
  }

  get port(): number {
    return this.#reserved.port;
  }

  get connections(): number {
    return this.#links.size;
  }

  urlFor(url: string): string {
    const copy = new URL(url);
    copy.host = `${this.host}:${this.port}`;
    return copy.href;
  }

  cut(): void {
    for (const link of this.#links) link.reset();
  }

  silence(direction: ProxyDirection | 'both' = 'both'): void {
    if (direction !== 'down') this.#silent.up = true;
    if (direction !== 'up') this.#silent.down = true;
  }

  hold(): void {
    this.#isHolding = true;
  }

  get held(): number {
    return [...this.#links].reduce((sum, link) => sum + link.held, 0);
  }

  pass(): void {
    this.#isHolding = false;
  }

  cutClients(): void {
    for (const link of this.#links) link.cutClient();
  }

  async deliver(): Promise<void> {
    await Promise.all([...this.#links].map((link) => link.deliverHeld()));
  }

  cutNextReply(): Promise<void> {
    return new Promise((resolve) => {
      this.#onCutReply = resolve;
    });
  }

  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    this.cut();
    await closed;
  }

  async restore(): Promise<void> {
    this.#silent.up = false;
    this.#silent.down = false;
    this.pass();
    void this.deliver();
    for (const link of this.#links) link.deliver();
    if (this.#server) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
    this.#server = server;
    server.listen({ port: this.port, host: this.host, exclusive: true });
    await once(server, 'listening');
    server.unref();
  }

  async close(): Promise<void> {
    await this.refuse();
    this.#reserved.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #accept(client: Socket): void {
    this.accepted += 1;
    const upstream = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const link = new ProxyLink(client, upstream, {
      delayMs: () => this.delayMs,
      isSilent: (direction) => this.#silent[direction],
      isHolding: () => this.#isHolding,
      takesCut: () => {
        const done = this.#onCutReply;
        this.#onCutReply = null;
        done?.();
        return done !== null;
      },
      onDelivered: (direction, length) => {
        this.bytes[direction] += length;
      },
      onClosed: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }
}
