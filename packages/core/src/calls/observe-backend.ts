import { channel } from 'node:diagnostics_channel';
import type { CallContext, LockBackend } from '../contract/backend.js';
import type { FencingToken } from '../contract/lease.js';
import type { BackendMarks } from '../contract/marks.js';
import { systemClock } from '../system-clock.js';

/** One call of a backend, as it is published when it is made; `endedAt` and what follows are filled in when it has settled. */
export interface ObservedCall {
  /** Which backend, counted in this process. */
  readonly client: number;
  /** The name of the function, such as `attempt` or `marks.set`. */
  readonly method: string;
  /** Its arguments without the call's context. They carry owner tokens: not for logs. */
  readonly asked: readonly unknown[];
  /** By the machine's monotonic clock. */
  readonly startedAt: number;
  /** null while the backend has not settled. */
  endedAt: number | null;
  /** What it resolved with. */
  answer: unknown;
  /** What it rejected with. */
  error: unknown;
}

/** The name of the diagnostics channel. */
export const CALL_CHANNEL = 'holdfast:call';

const calls = channel(CALL_CHANNEL);
const OBSERVED: ReadonlySet<string | symbol> = new Set(['attempt', 'renew', 'release', 'wait', 'inspect', 'forceRelease', 'checkHealth']);
const OBSERVED_MARKS: ReadonlySet<string | symbol> = new Set(['set', 'has', 'setEach', 'hasEach', 'get', 'delete']);
const observed = new WeakSet<object>();
let clients = 0;

/**
 * The same backend, each of whose calls is published as an `ObservedCall` on the diagnostics channel `holdfast:call`. A manager does so
 * with its backend where somebody had subscribed when the manager was made; it costs nothing otherwise.
 */
export function observeBackend<F extends FencingToken>(backend: LockBackend<F>): LockBackend<F> {
  clients += 1;
  const client = clients;
  const marks: BackendMarks | undefined = backend.marks && observe(backend.marks, client, 'marks.', OBSERVED_MARKS);
  const proxy = observe(backend, client, '', OBSERVED, marks);
  observed.add(proxy);
  return proxy;
}

/** What a manager is to use: the backend itself, unless somebody listens. */
export function observedIfWanted<F extends FencingToken>(backend: LockBackend<F>): LockBackend<F> {
  return calls.hasSubscribers && !observed.has(backend) ? observeBackend(backend) : backend;
}

function observe<T extends object>(
  target: T,
  client: number,
  prefix: string,
  methods: ReadonlySet<string | symbol>,
  marks?: BackendMarks,
): T {
  const functions = new Map<string | symbol, unknown>();
  return new Proxy(target, {
    get(_, property) {
      if (property === 'marks' && marks !== undefined) return marks;
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      let own = functions.get(property);
      if (own === undefined) {
        const bound = value.bind(target) as (...args: readonly unknown[]) => unknown;
        own = methods.has(property) ? published(bound, client, prefix + String(property)) : bound;
        functions.set(property, own);
      }
      return own;
    },
  });
}

function published(perform: (...args: readonly unknown[]) => unknown, client: number, method: string): unknown {
  return (...args: readonly unknown[]): unknown => {
    const asked = args.filter((arg) => !isContext(arg));
    const call: ObservedCall = { client, method, asked, startedAt: systemClock.now(), endedAt: null, answer: undefined, error: undefined };
    calls.publish(call);
    const failed = (error: unknown): void => {
      call.endedAt = systemClock.now();
      call.error = error;
    };
    let answer: unknown;
    try {
      answer = perform(...args);
    } catch (error) {
      failed(error);
      throw error;
    }
    Promise.resolve(answer).then((value) => {
      call.endedAt = systemClock.now();
      call.answer = value;
    }, failed);
    return answer;
  };
}

function isContext(value: unknown): value is CallContext {
  return typeof value === 'object' && value !== null && 'timeoutMs' in value && 'clock' in value;
}
