import type { IoredisDriverClient } from '../../src/ioredis/ioredis-client.js';
import type { RedisServer } from './redis-server.js';
import type { Wire } from './wire.js';
import type { SimulatedClient } from '@holdfast/test/simulator';

const RECONNECT_MS = 50;

interface Unfulfilled {
  readonly words: readonly string[];
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
}

type Listener = (...values: never[]) => void;

/** A client as ioredis makes one, over a simulated connection. */
export class SimulatedDriver implements IoredisDriverClient {
  readonly isCluster = false;
  readonly options = { host: 'simulated', port: 1 };
  readonly stream = { connecting: false, destroyed: false, resetAndDestroy: () => this.#end(), destroy: () => this.#end() };
  status = 'connecting';
  readonly #server: RedisServer;
  readonly #client: SimulatedClient;
  /** It makes a new connection by itself, and sends on it again what was not answered: a user's own client. */
  readonly #resends: boolean;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #unfulfilled = new Set<Unfulfilled>();
  #wire: Wire | null = null;

  constructor(server: RedisServer, client: SimulatedClient, resends: boolean) {
    this.#server = server;
    this.#client = client;
    this.#resends = resends;
    this.#connect();
  }

  evalsha(sha: string, count: number, ...rest: string[]): Promise<unknown> {
    return this.#command(['evalsha', sha, String(count), ...rest]);
  }
  eval(script: string, count: number, ...rest: string[]): Promise<unknown> {
    return this.#command(['eval', script, String(count), ...rest]);
  }
  call(command: string, ...rest: string[]): Promise<unknown> {
    return this.#command([command.toLowerCase(), ...rest]);
  }
  subscribe(channel: string): Promise<unknown> {
    return this.#command(['subscribe', channel]);
  }

  /** Whose connections are ours to end: without any of what a user's client does by itself. */
  duplicate(): SimulatedDriver {
    return new SimulatedDriver(this.#server, this.#client, false);
  }

  disconnect(): void {
    this.#end();
  }

  on(event: string, listener: Listener): void {
    const listeners = this.#listeners.get(event);
    if (listeners === undefined) this.#listeners.set(event, new Set([listener]));
    else listeners.add(listener);
  }
  off(event: string, listener: Listener): void {
    this.#listeners.get(event)?.delete(listener);
  }
  once(event: string, listener: Listener): void {
    const one: Listener = (...values) => {
      this.off(event, one);
      listener(...values);
    };
    this.on(event, one);
  }

  #emit(event: string, ...values: unknown[]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(...(values as never[]));
  }

  #command(words: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.status === 'end' || (this.status !== 'ready' && !this.#resends)) {
        reject(new Error('Connection is closed.'));
        return;
      }
      const one: Unfulfilled = { words, resolve, reject };
      this.#unfulfilled.add(one);
      if (this.status === 'ready') this.#send(one);
    });
  }

  #send(one: Unfulfilled): void {
    const { names } = this.#server;
    this.#server.saw(this.#client, 'asks', one.words);
    this.#wire?.send(this.#server.translated(one.words), (reply) => {
      if (!this.#unfulfilled.delete(one)) return;
      if (reply instanceof Error) one.reject(reply);
      else one.resolve(names.fromServer(reply));
    });
  }

  #connect(): void {
    this.#server.connecting(this.#client, () => {
      if (this.status === 'end') return;
      const wire: Wire = this.#server.newWire(this.#client, {
        carryOut: (words, from) => this.#server.carryOut(words, from),
        onGone: (from) => this.#server.gone(from),
        onMessage: (channel, text) => this.#emit('message', this.#server.names.real(channel), this.#server.names.real(text)),
        onMishap: (what, words) => this.#server.befell(this.#client, what, words),
        onEnd: () => this.#lost(wire),
      });
      this.#wire = wire;
      this.status = 'ready';
      this.#emit('connect');
      this.#emit('ready');
      for (const one of this.#unfulfilled) {
        this.#server.sendsAgain(one.words);
        this.#send(one);
      }
    });
  }

  #lost(wire: Wire): void {
    if (wire !== this.#wire || this.status === 'end') return;
    this.#server.saw(this.#client, 'loses its connection', []);
    if (!this.#resends) {
      this.#end();
      return;
    }
    this.#wire = null;
    this.status = 'reconnecting';
    this.#emit('close');
    this.#server.world.later(RECONNECT_MS, () => this.#client.machine.reach(() => this.#connect()));
  }

  #end(): void {
    if (this.status === 'end') return;
    this.status = 'end';
    this.stream.destroyed = true;
    this.#wire?.end();
    this.#server.world.later(0, () =>
      this.#client.machine.reach(() => {
        for (const { reject } of this.#unfulfilled) reject(new Error('Connection is closed.'));
        this.#unfulfilled.clear();
        this.#emit('close');
        this.#emit('end');
      }),
    );
  }
}
