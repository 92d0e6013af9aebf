import type { AsyncLocalStorage } from 'node:async_hooks';
import { type Channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import { annotate, readAnnotation } from './annotation.js';
import type { AcquireTrace, HoldTrace } from './contract/traces.js';
import { publish, requestIdOf } from './events.js';
import type { HoldPlan } from './hold/hold-plan.js';

type Trace = AcquireTrace | HoldTrace;
type Facts = Pick<Trace, 'operation' | 'backend' | 'managerId'>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

type Traced<C extends Trace> = TracingChannel<unknown, C> & { readonly hasSubscribers: boolean };

/** The taking of holds. Nothing is built for a trace unless the channel `hasSubscribers`. */
export const acquireChannel: Traced<AcquireTrace> = channelOf('holdfast:acquire');
/** Tasks that run under holds. */
export const holdChannel: Traced<HoldTrace> = channelOf('holdfast:hold');

function channelOf<C extends Trace>(name: string): Traced<C> {
  const channel: Traced<C> = tracingChannel(name);
  const { start, end, asyncStart, asyncEnd, error } = channel;
  const all = [start, end, asyncStart, asyncEnd, error];
  // Bun's has no such property.
  if (!('hasSubscribers' in channel))
    Object.defineProperty(channel, 'hasSubscribers', { get: () => all.some(({ hasSubscribers }) => hasSubscribers) });
  return channel;
}

/**
 * Publishes the start and the end of taking holds, to everybody who traces. A listener of `start` may set `annotation`, which the store then
 * keeps beside the label.
 */
export function traceAcquire<T>(
  facts: Facts,
  plans: readonly HoldPlan[],
  waitMs: number,
  task: () => Promise<T>,
  outcomeOf: (value: T) => NonNullable<AcquireTrace['outcome']>,
): Promise<T> {
  const context: Mutable<AcquireTrace> = { ...factsOf(facts, plans), waitMs };
  const annotated = (): Promise<T> => {
    const annotation = readAnnotation(context.annotation);
    for (const plan of plans) plan.keptLabel = annotate(plan.label, annotation);
    return task();
  };
  return trace(acquireChannel, context, async () => {
    try {
      const value = await annotated();
      context.outcome = outcomeOf(value);
      return value;
    } finally {
      context.contended = plans.some(({ wasContended }) => wasContended);
    }
  });
}

/** Publishes the start and the end of a task that runs under holds. */
export function traceHold<T>(facts: Facts, plans: readonly HoldPlan[], task: () => T | PromiseLike<T>): Promise<T> {
  return trace(holdChannel, factsOf(facts, plans), async () => await task());
}

function factsOf(facts: Facts, plans: readonly HoldPlan[]): Omit<HoldTrace, 'error'> {
  const [first] = plans;
  return {
    ...facts,
    requestIds: plans.map((plan) => requestIdOf(facts.managerId, plan)),
    names: plans.map(({ name }) => name),
    kind: first?.kind ?? 'lock',
    mode: first?.mode ?? 'exclusive',
    permits: first?.permits ?? 1,
    label: first?.label ?? '',
  };
}

/** As `TracingChannel.tracePromise`, except that what a listener throws harms nobody. */
function trace<C extends Trace, T>(channel: TracingChannel<unknown, C>, context: Mutable<C>, task: () => Promise<T>): Promise<T> {
  const { start, end, asyncStart, asyncEnd, error } = channel;
  return runStores(start, context, async () => {
    const promise = task();
    publish(end, context);
    try {
      return await promise;
    } catch (reason) {
      context.error = reason;
      publish(error, context);
      throw reason;
    } finally {
      publish(asyncStart, context);
      publish(asyncEnd, context);
    }
  });
}

/**
 * `Channel.runStores` turns what a listener throws, or the function of a bound store, into an uncaught exception. So stores and listeners are
 * called one by one where Node shows them, as in `publish`.
 */
function runStores<C extends object, T>(start: Channel<unknown, C>, context: C, task: () => Promise<T>): Promise<T> {
  const stores: unknown = (start as { _stores?: unknown })._stores;
  if (!isIterable(stores)) return start.runStores(context, task);
  let run = (): Promise<T> => {
    publish(start, context);
    return task();
  };
  for (const [store, valueOf] of stores as Iterable<readonly [AsyncLocalStorage<unknown>, ((context: C) => unknown) | undefined]>) {
    const inner = run;
    run = () => {
      let value: unknown = context;
      let begun: Promise<T> | null = null;
      try {
        if (valueOf !== undefined) value = valueOf(context);
        const answer: unknown = store.run(value, () => (begun ??= inner()));
        // The caller has what `inner` began; nobody has what a store makes of it.
        if (answer !== begun) Promise.resolve(answer).catch(() => {});
      } catch {
        // What is wrong with a store is no reason to take no lock.
      }
      return (begun ??= inner());
    };
  }
  return run();
}

/** A map of Node's own is none of ours. */
function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}
