import { type BackendMarks, type CallContext, type FencingToken, type LockBackend, LockUnavailableError } from '../index.js';
import type { ConformanceFaults } from './harness.js';

/** A backend whose connection can be disturbed, and how. */
export interface FaultyBackend<F extends FencingToken = FencingToken> {
  /** The backend to hand to the manager: it passes everything on until a fault is injected. */
  readonly backend: LockBackend<F>;
  /** What can be done to it. */
  readonly faults: InjectedFaults;
}

/** What `injectFaults` can do to one backend. A `crash` is a permanent `disconnect` of that peer's backend. */
export type InjectedFaults = Required<
  Pick<ConformanceFaults, 'disconnect' | 'reconnect' | 'freeze' | 'thaw' | 'loseNextReply' | 'requests'>
>;

/**
 * Puts a gate in front of a backend, so that a harness without a network of its own has faults: whatever passes
 * between core and the backend is one message. What happens between a driver and its server, such as commands that
 * are sent again after a reconnect, it cannot show: for that cut the real connection.
 */
export function injectFaults<F extends FencingToken>(backend: LockBackend<F>): FaultyBackend<F> {
  const gate = new Gate(backend.name);
  const writing = <T>(call: CallContext, perform: (call: CallContext) => Promise<T>): Promise<T> => gate.pass(call, perform, true);
  const reading = <T>(call: CallContext, perform: (call: CallContext) => Promise<T>): Promise<T> => gate.pass(call, perform, false);
  const {
    marks,
    wait,
    subscribe,
    announce,
    list,
    partition,
    canAdopt,
    adopt,
    onLost,
    onLimitDiffers,
    onNodeChanged,
    remainingMs,
    examine,
  } = backend;
  const faulty: Whole<F> = {
    contract: backend.contract,
    name: backend.name,
    capabilities: backend.capabilities,
    get driver() {
      return backend.driver;
    },
    attempt: (requests, call) => writing(call, (inner) => backend.attempt(requests, inner)),
    renew: (holds, call) => writing(call, (inner) => backend.renew(holds, inner)),
    release: (holds, call) => writing(call, (inner) => backend.release(holds, inner)),
    inspect: (name, kind, call) => reading(call, (inner) => backend.inspect(name, kind, inner)),
    forceRelease: (name, kind, call) => reading(call, (inner) => backend.forceRelease(name, kind, inner)),
    checkHealth: (call) => reading(call, (inner) => backend.checkHealth(inner)),
    close: () => backend.close(),
    get sessionMs() {
      return backend.sessionMs;
    },
    maxTtlMs: backend.maxTtlMs,
    requestsExpire: backend.requestsExpire,
    takesNext: backend.takesNext,
    tellsQueued: backend.tellsQueued,
    partition: partition && ((name) => partition.call(backend, name)),
    canAdopt: canAdopt && ((mode) => canAdopt.call(backend, mode)),
    adopt: adopt && ((hold, token, call) => reading(call, (inner) => adopt.call(backend, hold, token, inner))),
    onLost: onLost && ((listener) => onLost.call(backend, listener)),
    onLimitDiffers: onLimitDiffers && ((listener) => onLimitDiffers.call(backend, listener)),
    onNodeChanged: onNodeChanged && ((listener) => onNodeChanged.call(backend, listener)),
    remainingMs: remainingMs && ((owner) => remainingMs.call(backend, owner)),
    wait: wait && ((request, call) => writing(call, (inner) => wait.call(backend, request, inner))),
    subscribe: subscribe && ((request, wake) => gate.keep(() => subscribe.call(backend, request, () => gate.whenOpen(wake)), wake)),
    announce: announce && ((request, line) => announce.call(backend, request, line)),
    marks: marks && faultyMarks(marks, reading),
    list:
      list &&
      async function* (prefix, call) {
        await reading(call, async () => {});
        yield* list.call(backend, prefix, call);
      },
    examine: examine && ((call) => reading(call, (inner) => examine.call(backend, inner))),
  };
  return {
    backend: withoutMissing(faulty),
    faults: {
      disconnect: async () => gate.cut(),
      reconnect: async () => gate.restore(),
      freeze: async () => gate.freeze(),
      thaw: async () => gate.thaw(),
      loseNextReply: async () => gate.loseNextReply(),
      requests: async () => gate.requests,
    },
  };
}

/** All that a backend may have: a member that is not passed on is an error of the compiler. */
type Whole<F extends FencingToken> = { [K in keyof Required<LockBackend<F>>]: LockBackend<F>[K] };

/** A backend that lacks a member has no key for it: core asks whether it is there. */
function withoutMissing<F extends FencingToken>(whole: Whole<F>): LockBackend<F> {
  const members = Object.entries(Object.getOwnPropertyDescriptors(whole));
  return Object.defineProperties(
    {},
    Object.fromEntries(members.filter(([, { get, value }]) => get !== undefined || value !== undefined)),
  ) as LockBackend<F>;
}

type Pass = <T>(call: CallContext, perform: (call: CallContext) => Promise<T>) => Promise<T>;

function faultyMarks(marks: BackendMarks, pass: Pass): BackendMarks {
  const { get, list, setEach, hasEach } = marks;
  return {
    set: (name, retentionMs, call, setter) => pass(call, (inner) => marks.set(name, retentionMs, inner, setter)),
    has: (name, call) => pass(call, (inner) => marks.has(name, inner)),
    ...(setEach && { setEach: (requests, call) => pass(call, (inner) => setEach.call(marks, requests, inner)) }),
    ...(hasEach && { hasEach: (names, call) => pass(call, (inner) => hasEach.call(marks, names, inner)) }),
    ...(get && { get: (name, call) => pass(call, (inner) => get.call(marks, name, inner)) }),
    ...(marks.delete && { delete: (name, call) => pass(call, async (inner) => (await marks.delete?.(name, inner)) === true) }),
    ...(list && {
      async *list(prefix: string, call: CallContext) {
        await pass(call, async () => {});
        yield* list.call(marks, prefix, call);
      },
    }),
  };
}

interface Subscription {
  readonly open: () => { close(): void };
  readonly wake: () => void;
  opened: { close(): void } | null;
}

/** Where every message passes: open, frozen (held up both ways) or cut. */
class Gate {
  requests = 0;
  readonly #backend: string;
  #isCut = false;
  #isReplyLost = false;
  #frozen: (() => void)[] | null = null;
  readonly #pending = new Set<AbortController>();
  readonly #failing = new Set<(error: Error) => void>();
  readonly #subscriptions = new Set<Subscription>();

  constructor(backend: string) {
    this.#backend = backend;
  }

  pass<T>(call: CallContext, perform: (call: CallContext) => Promise<T>, canLoseReply: boolean): Promise<T> {
    this.requests += 1;
    return new Promise<T>((resolve, reject) => {
      if (this.#isCut) return reject(this.#ended());
      const connection = new AbortController();
      const fail = (error: unknown): void => {
        settle();
        reject(error);
      };
      const settle = (): void => {
        this.#pending.delete(connection);
        this.#failing.delete(fail);
      };
      this.#pending.add(connection);
      this.#failing.add(fail);
      const isLost = canLoseReply && this.#isReplyLost;
      if (isLost) this.#isReplyLost = false;
      this.whenOpen(() => {
        // Cut while it waited to be sent: it never arrives.
        if (!this.#failing.has(fail)) return;
        // The connection's end ends a wait in the store; the caller's own signal does as usual.
        const signal = AbortSignal.any([call.signal, connection.signal]);
        perform({ ...call, signal }).then(
          (answer) => this.whenOpen(() => (isLost ? fail(this.#ended()) : (settle(), resolve(answer)))),
          (error: unknown) => this.whenOpen(() => fail(error)),
        );
      });
    });
  }

  /** Now, or after the thaw; never once the connection is cut. */
  whenOpen(go: () => void): void {
    if (this.#isCut) return;
    if (this.#frozen === null) go();
    else this.#frozen.push(go);
  }

  /** A subscription that ends with its connection, and is made again with the next one. */
  keep(open: () => { close(): void }, wake: () => void): { close(): void } {
    const subscription: Subscription = { open, wake, opened: this.#isCut ? null : open() };
    this.#subscriptions.add(subscription);
    return {
      close: () => {
        this.#subscriptions.delete(subscription);
        subscription.opened?.close();
      },
    };
  }

  freeze(): void {
    this.#frozen ??= [];
  }

  thaw(): void {
    const held = this.#frozen ?? [];
    this.#frozen = null;
    for (const go of held) go();
  }

  loseNextReply(): void {
    this.#isReplyLost = true;
  }

  cut(): void {
    this.#isCut = true;
    const [pending, failing] = [[...this.#pending], [...this.#failing]];
    for (const fail of failing) fail(this.#ended());
    for (const connection of pending) connection.abort(this.#ended());
    for (const subscription of this.#subscriptions) {
      subscription.opened?.close();
      subscription.opened = null;
    }
  }

  restore(): void {
    if (!this.#isCut) return;
    this.#isCut = false;
    for (const subscription of this.#subscriptions) {
      subscription.opened = subscription.open();
      // Whatever was freed in between was not notified.
      subscription.wake();
    }
  }

  #ended(): LockUnavailableError {
    return new LockUnavailableError(`${this.#backend}: the connection ended (an injected fault)`, { backend: this.#backend });
  }
}
