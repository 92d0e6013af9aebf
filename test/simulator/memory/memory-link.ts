import {
  type Answer,
  type CallContext,
  type Capabilities,
  type Clock,
  type HoldRef,
  type HoldRequest,
  type LockBackend,
  type LockKind,
  type LockState,
  LockUnavailableError,
} from '@holdfast/core';
import type { SimulatedClient } from '../client.js';
import type { MemoryServer } from './memory-server.js';
import type { MemorySession } from './memory-session.js';
import { realExpiry, RequestExpiry } from './request-expiry.js';

const SIGN_EVERY_MS = 1_050;
const SIGN_TIMEOUT_MS = 400;
const REPEAT_MS = 500;
const NEVER = new AbortController().signal;

type Granted = Extract<Answer<bigint>, { granted: true }>;

interface Reply<T> {
  readonly serverMs: number;
  /** null: refused as late. */
  readonly value: Promise<T> | null;
}

interface Waiting {
  isQueued: boolean;
  readonly granted: (token: bigint) => void;
  readonly fail: (error: unknown) => void;
}

/** A backend whose store is on the other side of a network. */
export class MemoryLink implements LockBackend<bigint> {
  readonly contract = 1;
  readonly name = 'memory';
  readonly capabilities: Capabilities;
  readonly requestsExpire: boolean;
  readonly tellsQueued = true;
  readonly wait?: NonNullable<LockBackend<bigint>['wait']>;
  readonly subscribe?: NonNullable<LockBackend<bigint>['subscribe']>;
  readonly #server: MemoryServer;
  readonly #client: SimulatedClient;
  readonly #session: MemorySession;
  /** What of the server asks for this client. */
  readonly #peer: LockBackend<bigint>;
  readonly #expiry: RequestExpiry;
  readonly #clock: Clock;
  /** A request may arrive a second time. */
  readonly #mayRepeat: boolean;
  readonly #waiting = new Map<string, Waiting>();
  readonly #subscriptions = new Map<number, { readonly request: HoldRequest; readonly wake: () => void }>();
  /** The label of each owner's request. */
  readonly #labels = new Map<string, string>();
  #lastSubscription = 0;
  #signTimer: { cancel(): void } | null = null;
  #isClosed = false;

  constructor(server: MemoryServer, client: SimulatedClient) {
    this.#server = server;
    this.#client = client;
    this.#clock = client.machine.clock;
    this.#peer = server.newBackend();
    this.capabilities = this.#peer.capabilities;
    const { expires, weather } = server.scenario;
    this.requestsExpire = expires;
    this.#mayRepeat = weather.duplicates > 0;
    this.#expiry = new RequestExpiry(this.#clock, server.mutant.expiry ?? realExpiry, this.#mayRepeat);
    this.#session = server.newSession({
      granted: (owner, token) => {
        server.changed();
        this.#push(() => this.#waiting.get(owner)?.granted(token));
      },
      woken: (id) => this.#push(() => this.#subscriptions.get(id)?.wake()),
    });
    if (server.scenario.isFair) this.wait = (request, call) => this.#wait(request, call);
    else this.subscribe = (request, wake) => this.#subscribe(request, wake);
  }

  async attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<bigint>[]> {
    for (const { owner, label } of requests) this.#labels.set(owner, label);
    const answers = await this.#grant('attempt', requests, call, () => this.#server.attempt(this.#peer, requests));
    for (const [index, request] of requests.entries()) if (answers[index]?.granted !== true) this.#freeRepeated(request, call);
    return answers;
  }

  /** Core is done with what was refused; where a request may arrive twice, the second may be granted. */
  #freeRepeated(request: HoldRef, call: CallContext): void {
    if (!this.requestsExpire || !this.#mayRepeat || this.#isClosed) return;
    this.release([request], call).then(
      ([answer]) => {
        if (typeof answer === 'object' && !answer.isFinal) this.#clock.setTimer(REPEAT_MS, () => this.#freeRepeated(request, call));
      },
      () => this.#freeRepeated(request, call),
    );
  }

  renew(holds: readonly (HoldRef & { readonly ttlMs: number })[], call: CallContext): Promise<readonly (boolean | null)[]> {
    return this.#grant('renew', holds, call, () => this.#server.renew(holds));
  }

  async release(holds: readonly HoldRef[], call: CallContext): ReturnType<LockBackend['release']> {
    const ends = holds.map(({ owner }) => this.#expiry.releasing(owner));
    const { serverMs, answers } = await this.#ask('release', holds, call.timeoutMs, async () => ({
      serverMs: this.#server.timeMs,
      answers: await this.#server.release(this.#session, holds),
    }));
    if (!this.requestsExpire) return answers;
    return answers.map((wasOurs, index) => ({ wasOurs, isFinal: ends[index]?.(serverMs) ?? true }));
  }

  inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    return this.#ask('inspect', [], call.timeoutMs, () => this.#server.inspect(name, kind));
  }

  forceRelease(): Promise<boolean> {
    return Promise.reject(new LockUnavailableError('the operator does this', { backend: this.name }));
  }

  async checkHealth(): Promise<void> {}

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#signTimer?.cancel();
    this.#signTimer = null;
    for (const { fail } of this.#waiting.values()) fail(this.#ended());
    this.#subscriptions.clear();
    this.#server.network.tell(() => this.#session.end());
  }

  // --- requests

  /** A request and its reply: in time, late, never, or twice. */
  async #ask<T>(what: string, refs: readonly HoldRef[], timeoutMs: number, carryOut: () => Promise<T>): Promise<T> {
    const { network, history } = this.#server;
    const of = (): string => `${what} ${refs.map(({ name, owner }) => `${name} for ${history.nameOf(owner)}`).join()}`;
    history.add(this.#client.name, () => `asks: ${of()}, for ${timeoutMs} ms`);
    const answer = await network.ask({
      machine: this.#client.machine,
      name: `${this.#client.number} ${what} ${this.#labels.get(refs[0]?.owner ?? '') ?? ''}`,
      carryOut: () => {
        history.add('store', () => `does: ${of()}`);
        const answered = carryOut();
        answered.catch(() => {});
        return { reply: { answered } };
      },
      ended: () => this.#ended(),
      onMishap: (fault) => {
        if (fault === 'late' && (what === 'attempt' || what === 'wait')) this.#server.late();
        this.#client.suffered(what === 'renew' && (fault === 'late' || fault === 'abandoned'));
        if (fault === 'doubled' && what === 'release') for (const { owner } of refs) this.#server.observer.repeated(owner);
        history.add('network', () => `${fault}: ${of()} of ${this.#client.name}`);
      },
    });
    return answer.answered;
  }

  /** A request that may give or prolong holds: it expires, where requests do, and is sent again once when it came late. */
  async #grant<T>(
    what: string,
    refs: readonly HoldRef[],
    call: CallContext,
    carryOut: () => Promise<T>,
    isWanted = () => true,
  ): Promise<T> {
    if (!this.requestsExpire) return this.#ask(what, refs, call.timeoutMs, carryOut);
    const owners = refs.map(({ owner }) => owner);
    const send = async (notAfter: number): Promise<Reply<T> & { readonly at: number }> => {
      this.#expiry.sent(owners, notAfter);
      const at = this.#clock.now();
      const { isChecked, renewalsExpire } = this.#server.mutant.expiry ?? realExpiry;
      const reply = await this.#ask(what, refs, call.timeoutMs, async (): Promise<Reply<T>> => {
        const serverMs = this.#server.timeMs;
        const isLate = serverMs > notAfter && isChecked && (what !== 'renew' || renewalsExpire);
        return { serverMs, value: isLate ? null : carryOut() };
      });
      this.#expiry.answered(owners);
      this.#expiry.learn(at, reply.serverMs, call.timeoutMs);
      return { ...reply, at };
    };
    const first = await send(this.#expiry.notAfter(call.timeoutMs));
    if (first.value !== null) return first.value;
    // The one who asked has gone, and a release has been sent.
    if (call.signal.aborted || !isWanted()) throw this.#ended();
    const again = await send(this.#expiry.notAfter(call.timeoutMs, first));
    if (again.value !== null) return again.value;
    throw new LockUnavailableError('the request came late twice', { backend: this.name });
  }

  get #background(): CallContext {
    return { timeoutMs: SIGN_TIMEOUT_MS, signal: NEVER, clock: this.#clock };
  }

  #ended(): LockUnavailableError {
    return new LockUnavailableError('the connection ended', { backend: this.name });
  }

  /** Something that the server says of its own accord. */
  #push(arrive: () => void): void {
    this.#server.network.tell(() => {
      this.#client.machine.reach(() => {
        if (!this.#isClosed) arrive();
      });
    }, `${this.#client.number} push`);
  }

  // --- waiting

  #wait(request: HoldRequest, call: CallContext): Promise<Granted> {
    const { owner, label } = request;
    const { signal } = call;
    this.#labels.set(owner, label);
    return new Promise((resolve, reject) => {
      const limit = this.requestsExpire ? this.#clock.setTimer(call.timeoutMs, () => waiting.fail(this.#ended())) : null;
      const leave = (): void => {
        limit?.cancel();
        this.#waiting.delete(owner);
        signal.removeEventListener('abort', onAbort);
      };
      const waiting: Waiting = {
        isQueued: false,
        // Without a stamp: the enrolment is as old as the wait.
        granted: (fencingToken) => {
          leave();
          resolve({ granted: true, fencingToken });
        },
        fail: (error) => {
          leave();
          reject(error);
        },
      };
      const onAbort = (): void => {
        // Where requests do not expire, one that is on its way may still take a place.
        if (!waiting.isQueued && !this.requestsExpire) return;
        this.#server.network.tell(() => this.#session.leave(owner));
        waiting.fail(signal.reason);
      };
      this.#waiting.set(owner, waiting);
      signal.addEventListener('abort', onAbort);
      const stamp = { now: this.#clock.now(), wall: this.#clock.wall() };
      this.#grant(
        'wait',
        [request],
        call,
        () => this.#server.enrol(this.#session, request),
        () => this.#waiting.get(owner) === waiting,
      ).then((token) => {
        if (!this.#waiting.has(owner)) return;
        if (token !== null) {
          leave();
          resolve({ granted: true, fencingToken: token, stamp });
          return;
        }
        waiting.isQueued = true;
        limit?.cancel();
        if (signal.aborted) onAbort();
        else call.onQueued?.();
      }, waiting.fail);
      this.#sign();
    });
  }

  #subscribe(request: HoldRequest, wake: () => void): { close(): void } {
    const id = ++this.#lastSubscription;
    this.#subscriptions.set(id, { request, wake });
    this.#grant(
      'subscribe',
      [],
      this.#background,
      async () => this.#session.subscribe(id, request),
      () => this.#subscriptions.has(id),
    ).catch(() => {});
    this.#sign();
    return {
      close: () => {
        if (this.#subscriptions.delete(id)) this.#server.network.tell(() => this.#session.unsubscribe(id));
      },
    };
  }

  /** Says that it is alive, while it waits for anything. */
  #sign(): void {
    if (this.#signTimer !== null || this.#isClosed) return;
    this.#signTimer = this.#clock.setTimer(SIGN_EVERY_MS, () => {
      this.#signTimer = null;
      if (this.#waiting.size === 0 && this.#subscriptions.size === 0) return;
      const owners = [...this.#waiting].flatMap(([owner, { isQueued }]) => (isQueued ? [owner] : []));
      const subscriptions = new Map([...this.#subscriptions].map(([id, { request }]) => [id, request]));
      this.#grant('sign', [], this.#background, async () => this.#session.sign({ owners, subscriptions })).then(
        ({ unknown, granted }) => {
          for (const owner of unknown) this.#waiting.get(owner)?.fail(this.#ended());
          for (const { owner, token } of granted) this.#waiting.get(owner)?.granted(token);
        },
        () => {},
      );
      this.#sign();
    });
  }
}
