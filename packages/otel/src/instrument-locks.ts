import { onceAProcess, type LockManager, type OptionRule, readOptions, rule } from '@holdfast/core';
import { type MeterProvider, metrics, trace, type TracerProvider } from '@opentelemetry/api';
import { SCOPE, startMetrics } from './lock-metrics.js';
import { startSpans } from './lock-spans.js';
import { Shared } from './shared.js';
import { VERSION } from './version.generated.js';

/** What `instrumentLocks` looks at, and where it reports to. */
export interface InstrumentLocksOptions {
  /** The one manager to look at. @default every manager of the process */
  readonly manager?: Pick<LockManager, 'id'> | undefined;
  /** @default the global one */
  readonly meterProvider?: MeterProvider | undefined;
  /** @default the global one */
  readonly tracerProvider?: TracerProvider | undefined;
  /** The attribute `lock.group` of metrics for a name: 100 values at most, then `other`. @default no such attribute */
  readonly groupOf?: ((name: string) => string) | undefined;
  /** A span for each call to the store, a root with a link to each request that the call carried. @default false */
  readonly storeSpans?: boolean | undefined;
  /**
   * Keeps the `traceparent` of the span in which a hold was taken beside the hold's label in the store: a caller that waits in vain for it gets
   * a link to that span. @default false
   */
  readonly annotate?: boolean | undefined;
}

/**
 * An instrumentation at work. It also fits `instrumentations` of OpenTelemetry's NodeSDK, which hands its own providers to it where
 * none was given.
 */
export interface LockInstrumentation extends Disposable {
  /** The name of this package. */
  readonly instrumentationName: string;
  /** Its version. */
  readonly instrumentationVersion: string;
  /** Reports nothing more; `using` does the same. */
  close(): void;
  /** Reports again; called by NodeSDK. */
  enable(): void;
  /** Reports nothing until `enable`; called by NodeSDK. */
  disable(): void;
  /** Where metrics go, unless the options said so; called by NodeSDK. */
  setMeterProvider(provider: MeterProvider): void;
  /** Where spans go, unless the options said so; called by NodeSDK. */
  setTracerProvider(provider: TracerProvider): void;
  /** Without effect: the options of `instrumentLocks` are what counts. */
  setConfig(config: object): void;
  /** Always empty. */
  getConfig(): object;
}

const OPTIONS: Readonly<Record<keyof InstrumentLocksOptions, OptionRule>> = {
  manager: rule.manager,
  meterProvider: rule.object,
  tracerProvider: rule.object,
  groupOf: rule.function,
  storeSpans: rule.boolean,
  annotate: rule.boolean,
};

/** What counts, by provider; what the first use of a provider was given holds for the later ones. */
function startShared() {
  const groups = new WeakMap<MeterProvider, InstrumentLocksOptions['groupOf']>();
  const spanOptions = new WeakMap<TracerProvider, { readonly storeSpans: boolean; readonly annotate: boolean }>();
  return {
    groups,
    spanOptions,
    metrics: new Shared<MeterProvider>((provider, isCounted) => startMetrics(provider, isCounted, groups.get(provider))),
    spans: new Shared<TracerProvider>((provider, isCounted) =>
      startSpans(provider, isCounted, spanOptions.get(provider) ?? { storeSpans: false, annotate: false }),
    ),
  };
}

// Two copies of this module would count everything twice.
const { groups, spanOptions, metrics: sharedMetrics, spans: sharedSpans } = onceAProcess('@holdfast/otel:shared:1', startShared);

/**
 * Reports metrics and traces of locks through OpenTelemetry, by the diagnostics channels alone, from now on until `close`. Two instrumentations
 * of the same manager and provider count once.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option
 *
 * @example
 * ```ts
 * import { instrumentLocks } from 'holdfast/otel';
 *
 * const instrumentation = instrumentLocks(); // every manager of the process, the global providers
 * instrumentation.close(); // at the end
 * ```
 */
export function instrumentLocks(options?: InstrumentLocksOptions): LockInstrumentation {
  return new Instrumentation(readOptions('instrumentLocks', options, OPTIONS));
}

class Instrumentation implements LockInstrumentation {
  readonly instrumentationName = SCOPE;
  readonly instrumentationVersion = VERSION;
  readonly #options: InstrumentLocksOptions;
  #meterProvider: MeterProvider;
  #tracerProvider: TracerProvider;
  #ends: readonly (() => void)[] = [];

  constructor(options: InstrumentLocksOptions) {
    this.#options = options;
    this.#meterProvider = options.meterProvider ?? metrics.getMeterProvider();
    this.#tracerProvider = options.tracerProvider ?? trace.getTracerProvider();
    this.enable();
  }

  enable(): void {
    if (this.#ends.length > 0) return;
    const { manager, groupOf, storeSpans = false, annotate = false } = this.#options;
    const managerId = manager?.id ?? null;
    if (!groups.has(this.#meterProvider)) groups.set(this.#meterProvider, groupOf);
    if (!spanOptions.has(this.#tracerProvider)) spanOptions.set(this.#tracerProvider, { storeSpans, annotate });
    this.#ends = [sharedMetrics.use(this.#meterProvider, managerId), sharedSpans.use(this.#tracerProvider, managerId)];
  }

  disable(): void {
    for (const end of this.#ends) end();
    this.#ends = [];
  }

  close(): void {
    this.disable();
  }

  [Symbol.dispose](): void {
    this.disable();
  }

  /** The NodeSDK calls this when its provider is ready: one that was given stays. */
  setMeterProvider(provider: MeterProvider): void {
    if (this.#options.meterProvider !== undefined) return;
    this.#restart(() => {
      this.#meterProvider = provider;
    });
  }

  setTracerProvider(provider: TracerProvider): void {
    if (this.#options.tracerProvider !== undefined) return;
    this.#restart(() => {
      this.#tracerProvider = provider;
    });
  }

  /** Nothing can be set: the options are those of `instrumentLocks`. */
  setConfig(): void {}

  getConfig(): object {
    return {};
  }

  #restart(change: () => void): void {
    const wasEnabled = this.#ends.length > 0;
    this.disable();
    change();
    if (wasEnabled) this.enable();
  }
}
