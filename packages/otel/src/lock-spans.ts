import type { AsyncLocalStorage } from 'node:async_hooks';
import { type Channel, subscribe, type TracingChannel, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { type AcquireTrace, type HoldTrace, isLockError, type LockEvent, type StoreCallEvent } from '@holdfast/core';
import {
  context,
  type Context,
  isSpanContextValid,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api';
import { SCOPE } from './lock-metrics.js';
import type { Running } from './shared.js';

/** What spans are made of, besides those of every `acquire` and every task of a `with…` method. */
export interface SpanOptions {
  readonly storeSpans: boolean;
  readonly annotate: boolean;
}

type Traced = AcquireTrace | HoldTrace;

const ENDS = ['not-granted', 'lost', 'released'] as const;

/** Makes spans with a provider of tracers. */
export function startSpans(provider: TracerProvider, isCounted: (managerId: string) => boolean, options: SpanOptions): Running {
  const spans = new LockSpans(provider.getTracer(SCOPE), isCounted, options);
  return { stop: () => spans.stop() };
}

class LockSpans {
  readonly #tracer: Tracer;
  readonly #isCounted: (managerId: string) => boolean;
  readonly #options: SpanOptions;
  readonly #open = new WeakMap<object, Span>();
  /** By request, the span in which it was asked for, until the hold has ended: calls to the store are linked to it. */
  readonly #requests = new Map<string, SpanContext>();
  readonly #stops: (() => void)[] = [];

  constructor(tracer: Tracer, isCounted: (managerId: string) => boolean, options: SpanOptions) {
    this.#tracer = tracer;
    this.#isCounted = isCounted;
    this.#options = options;
    this.#listenTo(tracingChannel<unknown, AcquireTrace>('holdfast:acquire'), 'acquire', (traced, span) => this.#began(traced, span));
    this.#listenTo(tracingChannel<unknown, HoldTrace>('holdfast:hold'), 'hold', () => {});
    for (const type of ENDS)
      this.#on(`holdfast:${type}`, (event) => this.#requests.delete((event as LockEvent & { requestId: string }).requestId));
    if (options.storeSpans) this.#on('holdfast:store-call', (event) => this.#storeCall(event as StoreCallEvent));
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#requests.clear();
  }

  #listenTo<C extends Traced>(channel: TracingChannel<unknown, C>, name: string, onStart: (traced: C, span: Span) => void): void {
    const begin = (traced: C): Span | null => {
      if (!this.#isCounted(traced.managerId)) return null;
      const known = this.#open.get(traced);
      if (known !== undefined) return known;
      const span = this.#tracer.startSpan(`${name} ${traced.kind}`, { kind: SpanKind.CLIENT, attributes: attributesOf(traced) });
      this.#open.set(traced, span);
      onStart(traced, span);
      return span;
    };
    const enter = (traced: C): Context => {
      const span = begin(traced);
      const active = context.active();
      return span === null ? active : trace.setSpan(active, span);
    };
    const start = channel.start as unknown as Channel<Context, C>;
    const contexts = contextsAsStore();
    start.bindStore(contexts, enter);
    this.#stops.push(() => start.unbindStore(contexts));
    this.#on(`tracing:holdfast:${name}:asyncEnd`, (traced) => this.#ended(traced as C));
  }

  #on(channel: string, listener: (message: unknown) => void): void {
    subscribe(channel, listener);
    this.#stops.push(() => unsubscribe(channel, listener));
  }

  #began(traced: AcquireTrace, span: Span): void {
    const own = span.spanContext();
    if (!isSpanContextValid(own)) return;
    for (const id of traced.requestIds) this.#requests.set(id, own);
    if (this.#options.annotate) traced.annotation = traceparentOf(own);
  }

  #ended(traced: Traced): void {
    const span = this.#open.get(traced);
    if (span === undefined) return;
    this.#open.delete(traced);
    if ('outcome' in traced && traced.outcome !== undefined) span.setAttribute('lock.outcome', traced.outcome);
    if ('contended' in traced && traced.contended !== undefined) span.setAttribute('lock.contended', traced.contended);
    const { error } = traced;
    // A call that asked for nothing, as its signal had been aborted before or its task holds the lock already, has no event of its end.
    if (error !== undefined && 'waitMs' in traced) for (const id of traced.requestIds) this.#requests.delete(id);
    if (error !== undefined) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : '' });
      if (error instanceof Error) span.recordException(error);
      if (isLockError(error)) span.setAttribute('error.type', error.code);
      // Who was in front: the spans of the holders, where they keep theirs.
      if (isLockError(error, 'LOCK_TIMEOUT')) {
        span.addLinks(error.holders.flatMap(({ traceparent }) => linkTo(spanContextOf(traceparent ?? null))));
      }
    }
    span.end();
  }

  /** A root: the call serves many callers, and is the child of none. */
  #storeCall({ managerId, backend, operation, outcome, code, durationMs, requests, requestIds, at }: StoreCallEvent): void {
    if (!this.#isCounted(managerId)) return;
    const links = requestIds.flatMap((id) => linkTo(this.#requests.get(id) ?? null));
    const attributes = {
      'lock.system': backend,
      'lock.operation': operation,
      'lock.outcome': outcome,
      'lock.requests': requests,
      ...(code === undefined ? {} : { 'error.type': code }),
    };
    const span = this.#tracer.startSpan(
      `store ${operation}`,
      { kind: SpanKind.CLIENT, root: true, startTime: at - durationMs, attributes, links },
      ROOT_CONTEXT,
    );
    if (code !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(at);
  }
}

/** A name is one of few attributes that are worth their cost in a trace. */
function attributesOf({ backend, operation, names, kind, mode, permits }: Traced) {
  return {
    'lock.system': backend,
    'lock.operation': operation,
    'lock.kind': kind,
    'lock.mode': mode,
    'lock.permits': permits,
    'lock.names': names.slice(0, 20),
  };
}

/**
 * OpenTelemetry's contexts as a store to be bound to a channel, no matter who manages them: a NodeSDK says who does only after it has started its
 * instrumentations. Of a store a channel wants `run` alone.
 */
function contextsAsStore(): AsyncLocalStorage<Context> {
  const run = (value: Context, task: (...args: unknown[]) => unknown, ...args: unknown[]): unknown =>
    context.with(value, task, undefined, ...args);
  return { run } as unknown as AsyncLocalStorage<Context>;
}

function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

function spanContextOf(traceparent: string | null): SpanContext | null {
  const [, traceId, spanId, flags] = traceparent?.split('-') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}

function linkTo(spanContext: SpanContext | null): readonly Link[] {
  return spanContext !== null && isSpanContextValid(spanContext) ? [{ context: spanContext }] : [];
}
