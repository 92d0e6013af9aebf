import { hostname } from 'node:os';
import { pid } from 'node:process';
import { annotate } from '../annotation.js';
import { checkName } from '../check-name.js';
import { checkValue, MAX_LABEL_BYTES, type OptionRule, readOptions, rule } from '../check-options.js';
import type { LockBackend } from '../contract/backend.js';
import type { Clock } from '../contract/clock.js';
import type { LockEvent } from '../contract/events.js';
import type { ManagerOptions, Names } from '../contract/manager.js';
import type { AcquireOptions, CloseOptions, PermitCount } from '../contract/options.js';
import { LockArgumentError } from '../errors.js';
import { onceAProcess } from '../once-a-process.js';
import { systemClock } from '../system-clock.js';

const lease = {
  ttlMs: rule.duration({ min: 1 }),
  renew: rule.boolean,
  maxHoldMs: rule.duration({ min: 1, infinity: true }),
  label: rule.text(MAX_LABEL_BYTES),
} satisfies Record<string, OptionRule>;

const wait = rule.duration({ infinity: true });

/** The rules of a manager's options, for backends' factories that take theirs and these in one object. */
export const managerOptionRules: Readonly<Record<keyof ManagerOptions, OptionRule>> = {
  ...lease,
  waitMs: wait,
  commandTimeoutMs: rule.duration({ min: 1 }),
  unavailableAfterMs: rule.duration({ infinity: true }),
  onEvent: rule.function,
  warnUnusedTokens: rule.boolean,
  clock: rule.object,
};

const tryRules: Readonly<Record<string, OptionRule>> = {
  ...lease,
  signal: rule.signal,
  waitMs: () => 'must be left out: a try method asks once and never waits; use acquire or withLock to wait',
};
const acquireRules: Readonly<Record<string, OptionRule>> = { ...lease, signal: rule.signal, waitMs: wait };
const MAX_PERMITS = 2 ** 31 - 1;
const permits = rule.integer(1, MAX_PERMITS);
const tryPermitRules: Readonly<Record<string, OptionRule>> = { ...tryRules, permits };
const acquirePermitRules: Readonly<Record<string, OptionRule>> = { ...acquireRules, permits };
const closeRules: Readonly<Record<string, OptionRule>> = { drainMs: wait };
const semaphoreRules: Readonly<Record<string, OptionRule>> = { permits };

/** The options of one call with all defaults filled in. */
export interface ResolvedLeaseOptions {
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly renew: boolean;
  readonly maxHoldMs: number;
  readonly label: string;
  /** See `HoldPlan.keptLabel`. */
  readonly keptLabel: string;
  readonly signal: AbortSignal | undefined;
  /** How many permits, where they are permits. */
  readonly permits: number;
}

/** The options of one manager with all defaults filled in. */
export interface ResolvedManagerOptions {
  readonly lease: ResolvedLeaseOptions;
  /** Nobody has asked for the ttl. */
  readonly isTtlDefault: boolean;
  readonly commandTimeoutMs: number;
  readonly unavailableAfterMs: number;
  readonly onEvent: ((event: LockEvent) => unknown) | undefined;
  readonly warnUnusedTokens: boolean;
  readonly clock: Clock;
}

export function resolveManagerOptions(options: ManagerOptions | undefined): ResolvedManagerOptions {
  const given = readOptions('createLockManager', options, managerOptionRules);
  const label = given.label ?? defaultLabel();
  return {
    lease: {
      ttlMs: given.ttlMs ?? 30_000,
      waitMs: given.waitMs ?? Number.POSITIVE_INFINITY,
      renew: given.renew ?? true,
      maxHoldMs: given.maxHoldMs ?? Number.POSITIVE_INFINITY,
      label,
      keptLabel: annotate(label, null),
      signal: undefined,
      permits: 1,
    },
    isTtlDefault: given.ttlMs === undefined,
    commandTimeoutMs: given.commandTimeoutMs ?? 2_000,
    unavailableAfterMs: given.unavailableAfterMs ?? 5_000,
    onEvent: given.onEvent,
    warnUnusedTokens: given.warnUnusedTokens ?? false,
    clock: given.clock ?? systemClock,
  };
}

/** A system may have a name of any length. */
function defaultLabel(): string {
  return `${hostname().slice(0, 255)}:${pid}`;
}

/** Reads, checks and completes the options of one call. A call without any shares the manager's defaults. */
export function resolveLeaseOptions(
  where: string,
  options: (AcquireOptions & PermitCount) | undefined,
  defaults: ResolvedLeaseOptions,
  ofPermits: OptionRule | null = null,
): ResolvedLeaseOptions {
  if (options === undefined) return defaults;
  const isTry = where.startsWith('try');
  const rules = ofPermits === null ? (isTry ? tryRules : acquireRules) : isTry ? tryPermitRules : acquirePermitRules;
  const given = readOptions(where, options, rules);
  if (ofPermits !== null && given.permits !== undefined) checkValue(where, 'permits', given.permits, ofPermits);
  return {
    ttlMs: given.ttlMs ?? defaults.ttlMs,
    waitMs: given.waitMs ?? defaults.waitMs,
    renew: given.renew ?? defaults.renew,
    maxHoldMs: given.maxHoldMs ?? defaults.maxHoldMs,
    label: given.label ?? defaults.label,
    keptLabel: given.label === undefined ? defaults.keptLabel : annotate(given.label, null),
    signal: given.signal,
    permits: given.permits ?? defaults.permits,
  };
}

/** How many permits of a semaphore one call may take. */
export function permitRule(limit: number, { name, capabilities }: LockBackend): OptionRule {
  const { maxPermits = limit } = capabilities;
  const isRight = rule.integer(1, limit);
  return (value) =>
    isRight(value) ??
    ((value as number) <= maxPermits ? null : `must be at most ${maxPermits}, as the ${name} backend keeps each permit by itself`);
}

/** For how long holders may finish. */
export function readDrainMs(options: CloseOptions | undefined): number {
  return readOptions('close', options, closeRules).drainMs ?? 0;
}

/** How many permits a semaphore has. */
export function readPermitLimit(options: { readonly permits: number }): number {
  return readOptions('semaphore', options, semaphoreRules, ['permits']).permits;
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
const ownedBackends = onceAProcess('@holdfast/core:owned-backends:1', () => new WeakSet<object>());

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
