import { checkValue, type LockManager, type OptionRule, readOptions, rule } from '@holdfast/core';
import type { OnApplicationShutdown } from '@nestjs/common';
import type { LockModuleOptions } from './lock-module-options.js';

const lockManager: OptionRule = (value) =>
  rule.manager(value) === null ? null : 'must be a lock manager, or a function that makes one, such as () => connect()';
const rules = {
  manager: ((value) => (typeof value === 'function' ? null : lockManager(value))) as OptionRule,
  close: rule.boolean,
  drainMs: rule.duration(),
};

/** The manager of one module, from its first use to the end of the application. */
export class OpenedLocks implements OnApplicationShutdown {
  readonly manager: LockManager;
  readonly #close: boolean;
  readonly #drainMs: number | undefined;

  private constructor(manager: LockManager, close: boolean, drainMs: number | undefined) {
    this.manager = manager;
    this.#close = close;
    this.#drainMs = drainMs;
  }

  /**
   * @param more rules of options that are read elsewhere
   * @throws LockArgumentError LOCK_INVALID_ARGUMENT; what the user's function throws
   */
  static async open(options: LockModuleOptions, more: Readonly<Record<string, OptionRule>> = {}): Promise<OpenedLocks> {
    const {
      manager: source,
      close = typeof source === 'function',
      drainMs,
    } = readOptions('LockModule', options, { ...rules, ...more }, ['manager']);
    const manager = typeof source === 'function' ? await source() : source;
    checkValue('LockModule', 'manager', manager, lockManager);
    return new OpenedLocks(manager, close, drainMs);
  }

  /** The last hook: the server has closed, and every request has been answered. */
  async onApplicationShutdown(): Promise<void> {
    if (this.#close) await this.manager.close({ drainMs: this.#drainMs });
  }
}
