import {
  type AcquireOptions,
  checkValue,
  createLockManager,
  LockArgumentError,
  LockClosedError,
  type LockManager,
  type ManagerOptions,
  managerOptionRules,
  type OptionRule,
  readOptions,
  rule,
  systemClock,
} from '@holdfast/core';
import { MigratingBackend } from './migrating-backend.js';
import { type MigrationEvent, OneSidedWatch } from './migration-events.js';
import { MIGRATION_PHASES, type MigrationPhase } from './phase.js';
import { PhaseGate } from './phase-gate.js';

/** Options of a migrating manager: what it stands on, and those of any manager. */
export interface MigratingOptions extends ManagerOptions {
  /** The old store. Owned from here on: it is closed with the migrating manager. */
  readonly from: LockManager;
  /** The new store. Owned from here on, like `from`. */
  readonly to: LockManager;
  /** Where this process begins. */
  readonly phase: MigrationPhase;
  /** Called for changes of phase, and for names that somebody uses on one side alone. */
  readonly onMigrationEvent?: ((event: MigrationEvent) => unknown) | undefined;
  /** One step asks two stores. @default 4_000 */
  readonly commandTimeoutMs?: number | undefined;
}

/** A lock manager on its way from one store to another. */
export interface MigratingLockManager extends LockManager {
  /** What new holds stand on now. */
  readonly phase: MigrationPhase;
  /**
   * Changes the phase of this manager, at run time. New holds are of the new phase as soon as no hold is left that
   * would not exclude them; resolves when no hold or attempt of this manager from another phase is left, so that **when
   * it has resolved in every process, all processes may go on to the next phase**. Waiters begin to wait again. Several
   * calls are carried out one after the other. With the present phase it waits for holds of another phase.
   *
   * Never await it inside a task that holds a lock of this manager: it would wait for its own hold.
   *
   * @throws LockArgumentError LOCK_INVALID_ARGUMENT when `both` would be skipped, in either direction
   * @throws LockClosedError LOCK_CLOSED when the manager is closed
   * @throws the signal's reason when `signal` aborts; a phase that was changed already stays changed
   */
  setPhase(phase: MigrationPhase, options?: Pick<AcquireOptions, 'signal'>): Promise<void>;
}

const phaseRule = rule.oneOf(...MIGRATION_PHASES);
const rules: Readonly<Record<keyof MigratingOptions, OptionRule>> = {
  ...managerOptionRules,
  from: rule.object,
  to: rule.object,
  phase: phaseRule,
  onMigrationEvent: rule.function,
};

/**
 * Makes a manager that moves from one store to another while locks are in use: in the phase `from` a lease stands on
 * the old store, in `both` on both, in `to` on the new one. A lease on both is taken in this order, within one time
 * budget, freed in reverse, and lost when either is.
 *
 * Two processes exclude each other while their phases share a store. So all processes must be in `both` (their
 * `setPhase('both')` resolved) before the first goes to `to`; see docs/migrating.md.
 *
 * The fencing token is the target's, and null in the phase `from`: tokens of two stores do not compare. Capabilities
 * are those that both sides have; `fencing` is false in the phase `from`.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 * import { createMigratingLockManager } from 'holdfast/migration';
 *
 * const locks = createMigratingLockManager({ from: await connect('memory:old'), to: await connect('memory:new'), phase: 'both' });
 * await locks.withLock('invoice:42', () => console.log('held on both sides'));
 * await locks.setPhase('to');
 * await locks.close();
 * ```
 */
export function createMigratingLockManager(options: MigratingOptions): MigratingLockManager {
  const where = 'createMigratingLockManager';
  const { from, to, phase, onMigrationEvent, ...rest } = readOptions(where, options, rules, ['from', 'to', 'phase']);
  if (from === to) throw new LockArgumentError(`${where}: to is the manager that from is; they must be two`, { option: 'to' });
  const clock = rest.clock ?? systemClock;
  const watch = new OneSidedWatch({ from, to }, onMigrationEvent, clock);
  const gate = new PhaseGate(phase, (before, now) => {
    watch.tell({ type: 'phase', before, phase: now, at: clock.wall() });
  });
  const backend = new MigratingBackend({ from, to }, gate, watch);
  const manager = createLockManager(backend, { ...rest, commandTimeoutMs: rest.commandTimeoutMs ?? 4_000 });
  const setPhase = async (next: MigrationPhase, given?: Pick<AcquireOptions, 'signal'>): Promise<void> => {
    checkValue('setPhase', 'phase', next, phaseRule);
    const { signal } = readOptions('setPhase', given, { signal: rule.signal });
    if (watch.isClosed) throw new LockClosedError('the lock manager is closed', { backend: backend.name });
    await gate.change(next, signal);
  };
  return Object.defineProperties(manager, {
    phase: { get: () => gate.phase, enumerable: true },
    setPhase: { value: setPhase },
  }) as MigratingLockManager;
}
