import {
  type BackendMarks,
  type CallContext,
  type HoldRef,
  type HoldRequest,
  type LockBackend,
  LockUnavailableError,
} from '@holdfast/core';
import type { LateDelivery } from '@holdfast/core/conformance';

/** How long the store may take over what it was asked in time: a release says "final" so much later. */
const MARGIN_MS = 50;

/** What may yet be carried out of one owner's requests. */
interface OpenRequests {
  notAfter: number;
  unanswered: number;
}

/**
 * A way to a store in memory on which requests can be late, so they expire: what a network does to a backend, and what a backend does about
 * it, where neither a server nor a driver is needed to show what core makes of that.
 */
export class LateLink {
  readonly backend: LockBackend;
  readonly #inner: LockBackend;
  readonly #open = new Map<string, OpenRequests>();
  /** Takes what is sent along on a long way; null while everything arrives at once. */
  #take: ((arrive: () => Promise<void>) => void) | null = null;
  #cut = new AbortController();

  constructor(inner: LockBackend) {
    this.#inner = inner;
    const { wait } = inner;
    this.backend = new Proxy(inner, {
      get: (target, key) => {
        if (key === 'requestsExpire') return true;
        if (key === 'attempt') return this.#attempt;
        if (key === 'renew') return this.#renew;
        if (key === 'release') return this.#release;
        if (key === 'marks') return this.#marks;
        if (key === 'wait' && wait !== undefined)
          return (request: HoldRequest, call: CallContext) => this.#send((inTime) => wait.call(inner, request, inTime), call);
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  deliverLate(): LateDelivery {
    const onItsWay: (() => Promise<void>)[] = [];
    const taken = new Promise<void>((resolve) => {
      this.#take = (arrive) => {
        onItsWay.push(arrive);
        resolve();
      };
    });
    return {
      taken: () => taken,
      cut: async () => {
        this.#take = null;
        this.#cut.abort();
        this.#cut = new AbortController();
      },
      deliver: async () => void (await Promise.allSettled(onItsWay.splice(0).map((arrive) => arrive()))),
    };
  }

  readonly #attempt: LockBackend['attempt'] = (requests, call) =>
    this.#granting(requests, call, (inTime) => this.#inner.attempt(requests, inTime));

  readonly #renew: LockBackend['renew'] = (holds, call) => this.#granting(holds, call, (inTime) => this.#inner.renew(holds, inTime));

  readonly #release: LockBackend['release'] = (holds, call) =>
    this.#send(async (inTime) => {
      const answers = await this.#inner.release(holds, inTime);
      const now = performance.now();
      return holds.map(({ owner }, index) => {
        const open = this.#open.get(owner);
        const isFinal = open === undefined || open.unanswered === 0 || now > open.notAfter + MARGIN_MS;
        if (isFinal) this.#open.delete(owner);
        return { wasOurs: answers[index] === true, isFinal };
      });
    }, call);

  get #marks(): BackendMarks | undefined {
    const { marks } = this.#inner;
    if (marks === undefined) return undefined;
    const read = <T>(call: CallContext, perform: (call: CallContext) => Promise<T>): Promise<T> => this.#send(perform, call);
    const write = <T>(call: CallContext, perform: (call: CallContext) => Promise<T>): Promise<T> => this.#granting([], call, perform);
    return {
      has: (name, call) => read(call, (inTime) => marks.has(name, inTime)),
      get: (name, call) => read(call, async (inTime) => (await marks.get?.(name, inTime)) ?? null),
      set: (name, retentionMs, call, setter) => write(call, (inTime) => marks.set(name, retentionMs, inTime, setter)),
      delete: (name, call) => write(call, async (inTime) => (await marks.delete?.(name, inTime)) === true),
    };
  }

  async #granting<T>(holds: readonly HoldRef[], call: CallContext, perform: (call: CallContext) => Promise<T>): Promise<T> {
    const notAfter = performance.now() + call.timeoutMs;
    const opened = holds.map(({ owner }) => {
      const open = this.#open.get(owner) ?? { notAfter, unanswered: 0 };
      open.notAfter = Math.max(open.notAfter, notAfter);
      open.unanswered += 1;
      this.#open.set(owner, open);
      return open;
    });
    const answer = await this.#send(async (inTime) => {
      if (performance.now() > notAfter) throw new LockUnavailableError('memory: the request came too late', { backend: 'memory' });
      return perform(inTime);
    }, call);
    for (const open of opened) open.unanswered -= 1;
    return answer;
  }

  /** On the connection that stands now; when that is cut the answer is lost, and whether the request arrives is another matter. */
  #send<T>(perform: (call: CallContext) => Promise<T>, call: CallContext): Promise<T> {
    const { signal } = this.#cut;
    return new Promise((resolve, reject) => {
      const lose = (): void => reject(new LockUnavailableError('memory: the connection ended', { backend: 'memory' }));
      signal.addEventListener('abort', lose, { once: true });
      const arrive = async (): Promise<void> => {
        // A place in a queue ends with the connection that it came by.
        await perform({ ...call, signal: AbortSignal.any([call.signal, signal]) })
          .then(resolve, reject)
          .finally(() => signal.removeEventListener('abort', lose));
      };
      if (this.#take === null) void arrive();
      else this.#take(arrive);
    });
  }
}
