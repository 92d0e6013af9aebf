import { hostname } from 'node:os';
import { pid } from 'node:process';
import { checkName } from '../check-name.js';
import { checkOptions, checkValue, type OptionRule, rule } from '../check-options.js';
import type { LockBackend } from '../contract/backend.js';
import type { Clock } from '../contract/clock.js';
import type { LockEvent } from '../contract/events.js';
import type { ManagerOptions, Names } from '../contract/manager.js';
import type { AcquireOptions, PermitCount } from '../contract/options.js';
import { LockArgumentError } from '../errors.js';
import { systemClock } from '../system-clock.js';

const lease = {
  ttlMs: rule.duration({ min: 1 }),
  renew: rule.boolean,
  maxHoldMs: rule.duration({ min: 1, infinity: true }),
  label: rule.string,
} satisfies Record<string, OptionRule>;

const wait = rule.duration({ infinity: true });

/** The rules of a manager's options, for backends' factories that take theirs and these in one object. */
export const managerOptionRules: Readonly<Record<keyof ManagerOptions, OptionRule>> = {
  ...lease,
  waitMs: wait,
  commandTimeoutMs: rule.duration({ min: 1 }),
  unavailableAfterMs: rule.duration({ infinity: true }),
  onEvent: rule.function,
  clock: rule.object,
};

const tryRules: Readonly<Record<string, OptionRule>> = {
  ...lease,
  signal: rule.signal,
  waitMs: () => 'must be left out: a try method asks once and never waits; use acquire or withLock to wait',
};
const acquireRules: Readonly<Record<string, OptionRule>> = { ...lease, signal: rule.signal, waitMs: wait };
const closeRules: Readonly<Record<string, OptionRule>> = { drainMs: wait };

/** The options of one call with all defaults filled in. */
export interface ResolvedLeaseOptions {
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly renew: boolean;
  readonly maxHoldMs: number;
  readonly label: string;
  readonly signal: AbortSignal | undefined;
}

/** The options of one manager with all defaults filled in. */
export interface ResolvedManagerOptions {
  readonly lease: ResolvedLeaseOptions;
  readonly commandTimeoutMs: number;
  readonly unavailableAfterMs: number;
  readonly onEvent: ((event: LockEvent) => unknown) | undefined;
  readonly clock: Clock;
}

export function resolveManagerOptions(options: ManagerOptions | undefined): ResolvedManagerOptions {
  checkOptions('createLockManager', options, managerOptionRules);
  return {
    lease: {
      ttlMs: options?.ttlMs ?? 30_000,
      waitMs: options?.waitMs ?? Number.POSITIVE_INFINITY,
      renew: options?.renew ?? true,
      maxHoldMs: options?.maxHoldMs ?? Number.POSITIVE_INFINITY,
      label: options?.label ?? `${hostname()}:${pid}`,
      signal: undefined,
    },
    commandTimeoutMs: options?.commandTimeoutMs ?? 2_000,
    unavailableAfterMs: options?.unavailableAfterMs ?? 5_000,
    onEvent: options?.onEvent,
    clock: options?.clock ?? systemClock,
  };
}

/** Checks and completes the options of one call. A call without any shares the manager's defaults. */
export function resolveLeaseOptions(
  where: string,
  options: (AcquireOptions & PermitCount) | undefined,
  defaults: ResolvedLeaseOptions,
  permitLimit: number | null = null,
): ResolvedLeaseOptions {
  if (options === undefined) return defaults;
  const rules = where.startsWith('try') ? tryRules : acquireRules;
  checkOptions(where, options, permitLimit === null ? rules : { ...rules, permits: rule.integer(1, permitLimit) });
  return {
    ttlMs: options.ttlMs ?? defaults.ttlMs,
    waitMs: options.waitMs ?? defaults.waitMs,
    renew: options.renew ?? defaults.renew,
    maxHoldMs: options.maxHoldMs ?? defaults.maxHoldMs,
    label: options.label ?? defaults.label,
    signal: options.signal,
  };
}

export function checkCloseOptions(options: unknown): void {
  checkOptions('close', options, closeRules);
}

export function checkPermitLimit(options: unknown): asserts options is { readonly permits: number } {
  checkOptions('semaphore', options ?? {}, { permits: rule.integer(1, 2 ** 31 - 1) });
  checkValue('semaphore', 'permits', (options as { permits?: unknown } | undefined)?.permits, rule.integer(1, 2 ** 31 - 1));
}

/** The task of a `with` method. */
export function checkTask(where: string, task: unknown): void {
  checkValue(where, 'task', task, rule.function);
}

/** Names without duplicates in code-unit order, so that no two callers take them in opposite orders. */
export function sortedNames<N extends string>(where: string, names: Names<N>): readonly N[] {
  if (!Array.isArray(names) && !(names instanceof Set)) {
    throw new LockArgumentError(
      `${where}: names is ${typeof names === 'string' ? 'a string' : 'no list'}; it must be an array or a Set of names`,
      {
        option: 'names',
      },
    );
  }
  const unique = [...new Set<N>(names as Iterable<N>)];
  for (const name of unique) checkName(where, name, 'names');
  return unique.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

// Two managers on one backend would each believe that they own it, and close it under the other.
const ownedBackends = new WeakSet<object>();

/** Refuses what is not a backend of this version, and one that has a manager already. */
export function checkBackend(backend: LockBackend): void {
  checkValue('createLockManager', 'backend', backend, rule.object);
  if ((backend.contract as unknown) !== 1) {
    throw new LockArgumentError(
      `createLockManager: backend.contract is ${String(backend.contract)}; this version of @holdfast/core knows contract 1`,
      { option: 'backend' },
    );
  }
  if (ownedBackends.has(backend)) {
    throw new LockArgumentError('createLockManager: this backend has a manager already; make one backend for each manager', {
      option: 'backend',
    });
  }
  ownedBackends.add(backend);
}
