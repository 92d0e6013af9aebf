import { randomUUID } from 'node:crypto';
import { LockClosedError, type Clock, type Stamp } from '@holdfast/core';
import { elapsedSince, stampOf, within } from '@holdfast/core/backend';
import { type Gateway, isNotFound, type Limits, unavailable } from './gateway.js';
import { passKey } from './keys.js';

/** One lease of etcd. All keys of this client are attached to it, and end with it. */
interface Lease {
  readonly id: string;
  /** When the last keep-alive that etcd has answered was sent. */
  beat: Stamp;
  /** The key without which none of its requests takes effect. null: to be made. */
  pass: string | null;
}

/** What a request needs to be granted. */
export interface Pass {
  readonly lease: string;
  readonly key: string;
}

/** How long a request of the session's own may take. */
const REQUEST_MS = 2_000;
/** Between two tries of what must be done in the end. */
const PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 3_000;

/**
 * This client's session with etcd: a lease with keep-alives.
 *
 * A connection that has ended proves nothing: a request that was sent on it may arrive later, and take a lock that nobody releases. So
 * each request that takes a lock carries a condition: a key of this session, the pass, must be there. A request whose answer was lost is
 * over when that pass is certainly gone. Then a new pass is made, and the session goes on with all that it holds.
 */
export class Session {
  readonly #gateway: Gateway;
  readonly #ttlSeconds: number;
  #ttlMs: number;
  #lease: Lease | null = null;
  #clock: Clock | null = null;
  #timer: { cancel(): void } | null = null;
  #isClosed = false;
  readonly #underWay = new Map<string, Promise<unknown>>();
  readonly #closing = new Set<() => void>();

  /** @param ttlSeconds after which etcd frees what a dead client holds; etcd may make it longer */
  constructor(gateway: Gateway, ttlSeconds: number) {
    this.#gateway = gateway;
    this.#ttlSeconds = ttlSeconds;
    this.#ttlMs = ttlSeconds * 1_000;
  }

  /**
   * For how long a hold may be believed in after a request that etcd has answered. Two thirds of the lease: a keep-alive may be 0.4 of
   * this old by then (`pass`), and the last tenth is for clocks that run apart.
   */
  get believedMs(): number {
    return Math.floor((this.#ttlMs * 2) / 3);
  }

  /**
   * What a request needs. The lease behind it lasts for `believedMs` from now on, and longer.
   *
   * @throws LockUnavailableError when etcd does not answer; nothing was asked for then
   */
  async pass({ clock, timeoutMs }: Limits): Promise<Pass> {
    this.#clock = clock;
    try {
      return await within(clock, timeoutMs, this.#ready(clock));
    } catch (error) {
      throw error instanceof LockClosedError ? error : unavailable(error, { wasSent: false });
    }
  }

  /** The pass is not there any more, etcd says. */
  isGone({ lease, key }: Pass): void {
    if (this.#lease?.id !== lease) return;
    // Ours to replace, if it is still the one in use. Where the lease has ended, the keep-alive says so.
    if (this.#lease.pass === key) this.#lease.pass = null;
  }

  /** Resolves when no request with this pass can take effect any more. Rejects when the session closes before that. */
  async retire(pass: Pass): Promise<void> {
    this.isGone(pass);
    await this.#once(pass.key, () => this.certainly('kv/deleterange', { key: pass.key }));
  }

  /** Asks until etcd has answered. Rejects when the session closes before that. */
  async certainly(path: string, body: unknown): Promise<void> {
    const clock = this.#clock;
    let pauseMs = PAUSE_MS;
    while (clock !== null && !this.#isClosed) {
      try {
        await this.#gateway.post(path, body, { clock, timeoutMs: REQUEST_MS });
        return;
      } catch (error) {
        // What is to be gone is not there.
        if (isNotFound(error)) return;
        await this.#pause(clock, pauseMs);
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
    }
    throw closed();
  }

  /** Ends the lease, and with it whatever this client has in etcd; without an answer the lease ends by itself. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const wake of this.#closing) wake();
    const [lease, clock] = [this.#lease, this.#clock];
    if (lease === null || clock === null) return;
    await this.#gateway.post('lease/revoke', { ID: lease.id }, { clock, timeoutMs: REQUEST_MS / 2 }).catch(() => {});
  }

  async #ready(clock: Clock): Promise<Pass> {
    for (;;) {
      if (this.#isClosed) throw closed();
      const lease = this.#lease;
      if (lease === null) await this.#once('open', () => this.#open(clock));
      else if (elapsedSince(clock, lease.beat) > this.believedMs) this.#giveUp(lease);
      else if (elapsedSince(clock, lease.beat) > this.believedMs * 0.4) await this.#beat(clock, lease);
      else if (lease.pass === null) await this.#once('pass', () => this.#makePass(clock, lease));
      else return { lease: lease.id, key: lease.pass };
    }
  }

  async #open(clock: Clock): Promise<void> {
    const beat = stampOf(clock);
    const { ID, TTL } = await this.#gateway.post('lease/grant', { TTL: this.#ttlSeconds }, { clock, timeoutMs: REQUEST_MS });
    if (ID === undefined || !(Number(TTL) >= this.#ttlSeconds)) throw new TypeError('etcd has granted no lease');
    this.#ttlMs = Number(TTL) * 1_000;
    this.#lease = { id: ID, beat, pass: null };
    this.#beatSoon(clock);
  }

  /** It is in use only once etcd has it, so no copy of this request can bring it back later. */
  async #makePass(clock: Clock, lease: Lease): Promise<void> {
    const key = passKey(randomUUID());
    await this.#gateway.post('kv/put', { key, lease: lease.id }, { clock, timeoutMs: REQUEST_MS }).catch(async (error: unknown) => {
      // The usual reason is that the lease has ended; then there will be another.
      await this.#beat(clock, lease);
      if (this.#lease === lease) throw error;
    });
    lease.pass = key;
  }

  #beat(clock: Clock, lease: Lease): Promise<void> {
    return this.#once(lease.id, () => this.#keepAlive(clock, lease));
  }

  async #keepAlive(clock: Clock, lease: Lease): Promise<void> {
    const beat = stampOf(clock);
    const { result } = await this.#gateway.post('lease/keepalive', { ID: lease.id }, { clock, timeoutMs: REQUEST_MS });
    if (Number(result?.TTL ?? 0) > 0) lease.beat = beat;
    // Without a time to live there is no such lease: its keys are gone. Renewals find that out, hold by hold.
    else if (this.#lease === lease) this.#lease = null;
  }

  /** For too long etcd was not heard. More keep-alives might only prolong what nobody believes in: one-way networks exist. */
  #giveUp(lease: Lease): void {
    if (this.#lease === lease) this.#lease = null;
    void this.certainly('lease/revoke', { ID: lease.id }).catch(() => {});
  }

  #beatSoon(clock: Clock): void {
    this.#timer?.cancel();
    this.#timer = clock.setTimer(this.believedMs * 0.3, () => {
      const lease = this.#lease;
      if (this.#isClosed || lease === null) return;
      if (elapsedSince(clock, lease.beat) > this.believedMs) return this.#giveUp(lease);
      this.#beatSoon(clock);
      void this.#beat(clock, lease).catch(() => {});
    });
  }

  /** Who wants the same meanwhile waits for the same. */
  #once<T>(what: string, act: () => Promise<T>): Promise<T> {
    const present = this.#underWay.get(what) as Promise<T> | undefined;
    if (present !== undefined) return present;
    const begun = act().finally(() => this.#underWay.delete(what));
    this.#underWay.set(what, begun);
    return begun;
  }

  #pause(clock: Clock, pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        timer.cancel();
        this.#closing.delete(go);
        resolve();
      };
      const timer = clock.setTimer(pauseMs, go);
      this.#closing.add(go);
    });
  }
}

export function closed(): LockClosedError {
  return new LockClosedError('the etcd backend is closed', { backend: 'etcd' });
}
