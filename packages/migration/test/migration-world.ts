import { createLockManager, type LockEvent, type LockManager, type ManagerOptions } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createMigratingLockManager, type MigratingLockManager, type MigrationEvent, type MigrationPhase } from '@holdfast/migration';
import { createTestMemoryStore, type TestMemoryStore } from '@holdfast/core/testing';

/** One process on its way: its migrating manager, and the managers of the two sides that it owns. */
export interface Traveller {
  readonly manager: MigratingLockManager;
  readonly from: { readonly store: TestMemoryStore; readonly manager: LockManager };
  readonly to: { readonly store: TestMemoryStore; readonly manager: LockManager };
  /** What its sides did, in order: `granted from`, `released to`. */
  readonly steps: string[];
  readonly migrationEvents: MigrationEvent[];
}

/** Two stores, and as many processes on their way from one to the other as a test asks for. */
export class MigrationWorld implements AsyncDisposable {
  readonly stores = { from: createTestMemoryStore(), to: createTestMemoryStore() };
  /** Somebody who uses one side alone, and what it says of itself. */
  readonly only = {
    from: createLockManager(createMemoryBackend({ store: this.stores.from.peer() }), { label: 'only from' }),
    to: createLockManager(createMemoryBackend({ store: this.stores.to.peer() }), { label: 'only to' }),
  };
  readonly #open: LockManager[] = [this.only.from, this.only.to];

  process(phase: MigrationPhase, options: ManagerOptions = {}): Traveller {
    const steps: string[] = [];
    const side = (name: 'from' | 'to') => {
      const store = this.stores[name].peer();
      const onEvent = ({ type }: LockEvent): void => {
        if (type === 'granted' || type === 'released') steps.push(`${type} ${name}`);
      };
      return { store, manager: createLockManager(createMemoryBackend({ store }), { onEvent }) };
    };
    const [from, to] = [side('from'), side('to')];
    const migrationEvents: MigrationEvent[] = [];
    const manager = createMigratingLockManager({
      from: from.manager,
      to: to.manager,
      phase,
      onMigrationEvent: (event) => migrationEvents.push(event),
      ...options,
    });
    this.#open.push(manager);
    return { manager, from, to, steps, migrationEvents };
  }

  /** Nobody holds anything on either side. */
  get isEmpty(): boolean {
    return this.stores.from.size === 0 && this.stores.to.size === 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map((manager) => manager.close()));
  }
}

/** Whether a promise is still pending after everything that was ready has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return (await Promise.race([promise.catch(() => null), Promise.resolve(pending)])) === pending;
}
