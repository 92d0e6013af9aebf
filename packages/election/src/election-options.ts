import { type AcquireOptions, LockArgumentError, MAX_LABEL_BYTES, type OptionRule, readOptions, rule } from '@holdfast/core';
import type { ElectionEvent } from './election-events.js';

/** Options of `createElection`. All durations are integer milliseconds. */
export interface ElectionOptions {
  /**
   * How long the store keeps a leader's lease that nobody renews: about how long there is no leader after a leader has died.
   * @default the manager's `ttlMs`, which is 30_000
   */
  readonly ttlMs?: number | undefined;
  /**
   * How long before its deadline a leader that could not renew its lease ends its task. Less than two thirds of the ttl, as renewal
   * begins at a third; 0: only the loss itself ends the task. Where a store vouches for less than the ttl (`capabilities.expiry` 'session') it counts in proportion.
   * @default a third of the ttl
   */
  readonly stepDownMs?: number | undefined;
  /**
   * The pause before this candidate campaigns once more: after a term that ended by itself one to two of them, after losses one, two, four ... up to half a
   * minute, give or take a half, so that a candidate that always fails does not win each time.
   * @default 2_000
   */
  readonly retryMs?: number | undefined;
  /**
   * Who leads, for people: what `leader()` and `observe()` show. At most 1,024 bytes of UTF-8.
   * @default the manager's `label`, which is `${hostname}:${pid}`
   */
  readonly label?: string | undefined;
  /** Called with every event of this election. What it throws or rejects is swallowed. */
  readonly onEvent?: ((event: ElectionEvent) => unknown) | undefined;
}

/** Options of `run`. */
export interface RunOptions {
  /** Ends the candidacy: the task's signal aborts, the task is waited for, the term is given back, `run` resolves. */
  readonly signal?: AbortSignal | undefined;
  /**
   * What follows when the task throws: `run` gives the term back and rejects, or campaigns once more after a pause (the event `resigned` has
   * the error).
   * @default 'reject'
   */
  readonly onTaskError?: 'reject' | 'campaign' | undefined;
}

/** Options of `campaign`. */
export type CampaignOptions = Pick<AcquireOptions, 'signal' | 'waitMs'>;

/** Options of `observe`. */
export interface ObserveOptions {
  /** Ends the iterator. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How often the store is asked. All observers of one election in this process share their requests, at the shortest of their times.
   * @default 1_000
   */
  readonly everyMs?: number | undefined;
}

/** Options of `health`. */
export interface ElectionHealthOptions {
  /**
   * A leader whose lease has less time left is reported as not ok, in milliseconds.
   * @default 0
   */
  readonly minRemainingMs?: number | undefined;
}

/** Options of `close`. */
export interface ElectionCloseOptions {
  /**
   * How long a task that has been asked to end is waited for. Then its term is given back anyway, so that two may lead until it has ended.
   * @default Infinity
   */
  readonly drainMs?: number | undefined;
}

const rules = {
  createElection: {
    ttlMs: rule.duration({ min: 1 }),
    stepDownMs: rule.duration(),
    retryMs: rule.duration({ min: 1 }),
    label: rule.text(MAX_LABEL_BYTES),
    onEvent: rule.function,
  } satisfies Record<keyof ElectionOptions, OptionRule>,
  run: { signal: rule.signal, onTaskError: rule.oneOf('reject', 'campaign') } satisfies Record<keyof RunOptions, OptionRule>,
  campaign: { signal: rule.signal, waitMs: rule.duration({ infinity: true }) } satisfies Record<keyof CampaignOptions, OptionRule>,
  observe: { signal: rule.signal, everyMs: rule.duration({ min: 1 }) } satisfies Record<keyof ObserveOptions, OptionRule>,
  health: { minRemainingMs: rule.duration() } satisfies Record<keyof ElectionHealthOptions, OptionRule>,
  close: { drainMs: rule.duration({ infinity: true }) } satisfies Record<keyof ElectionCloseOptions, OptionRule>,
} as const;

/**
 * Reads the options of one call, once.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function readElectionOptions<O extends object>(where: keyof typeof rules, options: O | undefined): Readonly<O> {
  return readOptions(where, options, rules[where]);
}

/** The options of an election with all that was left out. */
export type ResolvedElectionOptions = Readonly<
  Required<{ [K in 'ttlMs' | 'stepDownMs' | 'retryMs' | 'label']: Exclude<ElectionOptions[K], undefined> }>
> &
  Pick<ElectionOptions, 'onEvent'>;

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT */
export function resolveElectionOptions(
  given: ElectionOptions | undefined,
  defaults: { readonly ttlMs: number; readonly label: string },
): ResolvedElectionOptions {
  const {
    ttlMs = defaults.ttlMs,
    stepDownMs = Math.floor(ttlMs / 3),
    retryMs = 2_000,
    label = defaults.label,
    onEvent,
  } = readElectionOptions<ElectionOptions>('createElection', given);
  // Without a fault a lease has two thirds of its ttl left when it is renewed: a leader would step down in peace.
  if (stepDownMs * 3 >= ttlMs * 2 && stepDownMs > 0) {
    throw new LockArgumentError(`createElection: stepDownMs is ${stepDownMs}; it must be less than two thirds of ttlMs (${ttlMs})`, {
      option: 'stepDownMs',
    });
  }
  return { ttlMs, stepDownMs, retryMs, label, onEvent };
}
