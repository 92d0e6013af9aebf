import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readOptions, rule } from '../check-options.js';
import type { HoldLifeEvent, LimitDiffersEvent, LockEvent, NodeChangedEvent, StoreCallEvent } from '../contract/events.js';
import { systemClock } from '../system-clock.js';
import { Groups } from './groups.js';
import type { InstrumentName, MetricAttributes, MetricSink } from './instruments.js';

/** How `meterLocks` counts. */
export interface MeterOptions {
  /** Which managers count, by `LockManager.id`; asked for each event. @default every manager of the process */
  readonly isCounted?: ((managerId: string) => boolean) | undefined;
  /**
   * The value of the attribute `lock.group` for a name; names themselves are never attributes, of which a metrics system bears few. The
   * first 100 values are kept; others become `other`, as does what it throws. @default no such attribute
   */
  readonly groupOf?: ((name: string) => string) | undefined;
}

/** A value of `lock.waiting.oldest`. */
export interface OldestWait {
  /** 0 where nobody waits any more. */
  readonly seconds: number;
  /** What it belongs to. */
  readonly attributes: MetricAttributes;
}

/** A meter at work. */
export interface LockMeter extends Disposable {
  /** For an exporter, each time that the metrics are read: for how long the first one waits now, by attributes that had a waiter since the meter was made. */
  oldestWaits(): readonly OldestWait[];
  /** Ends the counting. */
  close(): void;
}

type AnyEvent = Exclude<LockEvent, LimitDiffersEvent> | StoreCallEvent;

const TYPES = ['waiting', 'granted', 'not-granted', 'renewed', 'lost', 'released', 'store-call', 'node-changed'] as const;

/** An event of `@holdfast/election`, as far as it is counted; core imports nothing of that package. */
interface ElectionEvent {
  readonly type: 'elected' | 'resigned' | 'deposed';
  readonly managerId: string;
  readonly backend: string;
  readonly election: string;
  readonly term: bigint;
}

const ELECTION_TYPES = ['elected', 'resigned', 'deposed'] as const satisfies readonly ElectionEvent['type'][];

/** What is known of one request while it waits or holds. */
interface Open {
  readonly permits: number;
  /** By the wall clock, in milliseconds. */
  readonly at: number;
  readonly attributes: MetricAttributes;
}

/**
 * Counts what managers do, by their events alone, from now on: for an exporter of metrics. `sink` gets values by the names of
 * `lockInstruments`.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option
 *
 * @example
 * ```ts
 * import { meterLocks } from 'holdfast';
 * import { createMemoryLockManager } from 'holdfast/memory';
 *
 * const meter = meterLocks({ record: (name, value, attributes) => console.log(name, value, attributes) });
 * const locks = createMemoryLockManager();
 * await locks.withLock('invoice:42', () => {});
 * await locks.close();
 * meter.close();
 * ```
 */
export function meterLocks(sink: MetricSink, options?: MeterOptions): LockMeter {
  const { isCounted, groupOf } = readOptions('meterLocks', options, { isCounted: rule.function, groupOf: rule.function }) as MeterOptions;
  const meter = new Meter(sink, groupOf === undefined ? null : new Groups(groupOf));
  const listener = (message: unknown): void => {
    const event = message as AnyEvent;
    if (isCounted === undefined || isCounted(event.managerId)) meter.count(event);
  };
  const electionListener = (message: unknown): void => {
    const event = message as ElectionEvent;
    if (isCounted === undefined || isCounted(event.managerId)) meter.countElection(event);
  };
  for (const type of TYPES) subscribe(`holdfast:${type}`, listener);
  for (const type of ELECTION_TYPES) subscribe(`holdfast:election:${type}`, electionListener);
  const close = (): void => {
    for (const type of TYPES) unsubscribe(`holdfast:${type}`, listener);
    for (const type of ELECTION_TYPES) unsubscribe(`holdfast:election:${type}`, electionListener);
    meter.close();
  };
  return { oldestWaits: () => meter.oldestWaits(), close, [Symbol.dispose]: close };
}

class Meter {
  readonly #sink: MetricSink;
  readonly #groups: Groups | null;
  readonly #waiting = new Map<string, Open>();
  readonly #held = new Map<string, Open>();
  readonly #everWaiting = new Map<string, MetricAttributes>();
  readonly #elections = new Groups((name) => name);
  /** Terms of this process that stand, by election and store. */
  readonly #terms = new Map<string, { readonly term: bigint; readonly attributes: MetricAttributes }>();

  constructor(sink: MetricSink, groups: Groups | null) {
    this.#sink = sink;
    this.#groups = groups;
  }

  count(event: AnyEvent): void {
    if (event.type === 'store-call') this.#storeCall(event);
    else if (event.type === 'node-changed') this.#nodeChanged(event);
    else this.#hold(event);
  }

  /** A process may have a new term before the end of its last one is reported. */
  countElection({ type, backend, election, term }: ElectionEvent): void {
    const attributes = { 'lock.system': backend, 'lock.election': this.#elections.of(election) };
    const key = JSON.stringify([backend, election]);
    if (type === 'elected') {
      this.#terms.set(key, { term, attributes });
      this.#record('lock.leader', 1, attributes);
      this.#record('lock.leader.changes', 1, attributes);
    } else if (this.#terms.get(key)?.term === term) {
      this.#terms.delete(key);
      this.#record('lock.leader', 0, attributes);
    }
  }

  oldestWaits(): readonly OldestWait[] {
    const now = systemClock.wall();
    const oldest = new Map<string, number>();
    for (const { at, attributes } of this.#waiting.values()) {
      const key = JSON.stringify(attributes);
      oldest.set(key, Math.max(oldest.get(key) ?? 0, now - at));
    }
    return [...this.#everWaiting].map(([key, attributes]) => ({ seconds: (oldest.get(key) ?? 0) / 1000, attributes }));
  }

  /** What still stands is taken back: a counter that goes up and down would stay up. */
  close(): void {
    for (const id of [...this.#waiting.keys()]) this.#leave(this.#waiting, 'lock.waiting', id);
    for (const id of [...this.#held.keys()]) this.#leave(this.#held, 'lock.held', id);
    for (const { attributes } of this.#terms.values()) this.#record('lock.leader', 0, attributes);
    this.#terms.clear();
  }

  #hold(event: HoldLifeEvent): void {
    const attributes = this.#attributesOf(event);
    const { requestId, contended } = event;
    switch (event.type) {
      case 'waiting':
        this.#enter(this.#waiting, 'lock.waiting', requestId, { permits: 1, at: event.at, attributes });
        this.#everWaiting.set(JSON.stringify(attributes), attributes);
        return;
      case 'granted':
        this.#leave(this.#waiting, 'lock.waiting', requestId);
        this.#enter(this.#held, 'lock.held', requestId, { permits: event.permits, at: event.at, attributes });
        this.#record('lock.acquire.duration', event.waitedMs / 1000, {
          ...attributes,
          'lock.outcome': 'granted',
          'lock.contended': contended,
        });
        return;
      case 'not-granted':
        this.#leave(this.#waiting, 'lock.waiting', requestId);
        this.#record('lock.acquire.duration', event.waitedMs / 1000, {
          ...attributes,
          'lock.outcome': event.outcome,
          'lock.contended': contended,
        });
        return;
      case 'renewed':
        if (event.ttlMs > 0) this.#record('lock.renewal.margin', event.remainingMs / event.ttlMs, attributes);
        return;
      case 'lost':
        this.#leave(this.#held, 'lock.held', requestId);
        this.#record('lock.lost', 1, { ...attributes, 'lock.lost.reason': event.reason });
        this.#record('lock.hold.duration', event.heldMs / 1000, { ...attributes, 'lock.end': 'lost', 'lock.lost.reason': event.reason });
        return;
      case 'released':
        this.#leave(this.#held, 'lock.held', requestId);
        this.#record('lock.hold.duration', event.heldMs / 1000, { ...attributes, 'lock.end': 'released' });
        return;
      default:
    }
  }

  #storeCall({ backend, operation, outcome, durationMs }: StoreCallEvent): void {
    this.#record('lock.store.duration', durationMs / 1000, {
      'lock.system': backend,
      'lock.operation': operation,
      'lock.outcome': outcome,
    });
  }

  #nodeChanged({ backend, health: { node, clockOffsetMs, quarantinedForMs } }: NodeChangedEvent): void {
    const attributes = { 'lock.system': backend, 'lock.node': node };
    if (clockOffsetMs !== null) this.#record('lock.node.clock_offset', clockOffsetMs / 1000, attributes);
    if (quarantinedForMs !== null) this.#record('lock.node.quarantine', quarantinedForMs / 1000, attributes);
  }

  #attributesOf({ backend, kind, mode, name }: HoldLifeEvent): MetricAttributes {
    const group = this.#groups === null ? {} : { 'lock.group': this.#groups.of(name) };
    return { 'lock.system': backend, 'lock.kind': kind, 'lock.mode': mode, ...group };
  }

  #enter(open: Map<string, Open>, name: InstrumentName, requestId: string, entry: Open): void {
    if (open.has(requestId)) return;
    open.set(requestId, entry);
    this.#record(name, entry.permits, entry.attributes);
  }

  /** What began before the meter is not counted down. */
  #leave(open: Map<string, Open>, name: InstrumentName, requestId: string): void {
    const entry = open.get(requestId);
    if (entry === undefined) return;
    open.delete(requestId);
    this.#record(name, -entry.permits, entry.attributes);
  }

  #record(name: InstrumentName, value: number, attributes: MetricAttributes): void {
    try {
      this.#sink.record(name, value, attributes);
    } catch {
      // A broken exporter must not be able to hurt a lease.
    }
  }
}
