import type { CallContext, HoldRef, HoldRequest, LockBackend } from '@holdfast/core';
import type { Machine } from '@holdfast/test/simulation';

/** For how long a client that says nothing keeps its places and subscriptions. */
const SILENT_MS = 3_000;

/** What the server tells a client of its own accord. */
export interface MemoryListener {
  granted(owner: string, token: bigint): void;
  woken(subscription: number): void;
}

interface Place {
  readonly controller: AbortController;
  token: bigint | null;
}

export interface Sign {
  /** Owners that stand in a queue, as far as the client knows. */
  readonly owners: readonly string[];
  readonly subscriptions: ReadonlyMap<number, HoldRequest>;
}

export interface SignReply {
  readonly unknown: readonly string[];
  readonly granted: readonly { readonly owner: string; readonly token: bigint }[];
}

/** What the server keeps of one client: its places in queues and its subscriptions, while it says that it is alive. */
export class MemorySession {
  readonly #backend: LockBackend<bigint>;
  readonly #machine: Machine;
  readonly #listener: MemoryListener;
  readonly #places = new Map<string, Place>();
  readonly #subscriptions = new Map<number, { close(): void }>();
  #heardAt = 0;
  #isWatched = false;

  constructor(backend: LockBackend<bigint>, machine: Machine, listener: MemoryListener) {
    this.#backend = backend;
    this.#machine = machine;
    this.#listener = listener;
  }

  /** Takes a place in a queue; the grant is reported by the listener. */
  enrol(request: HoldRequest): void {
    this.#heard();
    const { owner } = request;
    if (this.#places.has(owner)) return;
    const place: Place = { controller: new AbortController(), token: null };
    this.#places.set(owner, place);
    this.#backend.wait?.(request, this.#context(place.controller.signal)).then(
      ({ fencingToken }) => {
        place.token = fencingToken;
        this.#listener.granted(owner, fencingToken);
      },
      () => this.#places.delete(owner),
    );
  }

  /** The token of a place that was granted. */
  tokenOf(owner: string): bigint | null {
    return this.#places.get(owner)?.token ?? null;
  }

  leave(owner: string): void {
    const place = this.#places.get(owner);
    // What was granted is a hold, and only a release ends it.
    if (place !== undefined && place.token === null) place.controller.abort(new Error('left'));
  }

  released({ owner }: HoldRef): void {
    this.#places.get(owner)?.controller.abort(new Error('released'));
    this.#places.delete(owner);
  }

  subscribe(id: number, request: HoldRequest): void {
    this.#heard();
    if (this.#subscriptions.has(id)) return;
    const subscription = this.#backend.subscribe?.(request, () => this.#listener.woken(id));
    if (subscription !== undefined) this.#subscriptions.set(id, subscription);
  }

  unsubscribe(id: number): void {
    this.#subscriptions.get(id)?.close();
    this.#subscriptions.delete(id);
  }

  /** The client says that it is alive, and what it waits for. */
  sign({ owners, subscriptions }: Sign): SignReply {
    this.#heard();
    for (const id of this.#subscriptions.keys()) if (!subscriptions.has(id)) this.unsubscribe(id);
    for (const [id, request] of subscriptions) {
      if (this.#subscriptions.has(id)) continue;
      this.subscribe(id, request);
      // What was freed in between was not notified.
      this.#listener.woken(id);
    }
    return {
      unknown: owners.filter((owner) => !this.#places.has(owner)),
      granted: owners.flatMap((owner) => {
        const token = this.tokenOf(owner);
        return token === null ? [] : [{ owner, token }];
      }),
    };
  }

  /** The client is gone. */
  end(): void {
    for (const place of this.#places.values()) if (place.token === null) place.controller.abort(new Error('gone'));
    for (const id of this.#subscriptions.keys()) this.unsubscribe(id);
  }

  #context(signal: AbortSignal): CallContext {
    return { timeoutMs: SILENT_MS, signal, clock: this.#machine.clock };
  }

  #heard(): void {
    this.#heardAt = this.#machine.clock.now();
    if (!this.#isWatched) this.#watch(SILENT_MS);
  }

  #watch(ms: number): void {
    this.#isWatched = true;
    this.#machine.clock.setTimer(ms, () => {
      const leftMs = this.#heardAt + SILENT_MS - this.#machine.clock.now();
      if (leftMs > 0) {
        this.#watch(leftMs);
        return;
      }
      this.#isWatched = false;
      this.end();
    });
  }
}
