import { LockArgumentError, type LockManager, readOptions, rule } from '@holdfast/core';
import type { OnApplicationShutdown } from '@nestjs/common';
import type { LockModuleOptions } from './lock-module-options.js';

const rules = { manager: rule.object, close: rule.boolean, drainMs: rule.duration() };

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

  /** @throws LockArgumentError LOCK_INVALID_ARGUMENT; what the user's function throws */
  static async open(options: LockModuleOptions): Promise<OpenedLocks> {
    const { manager: source, close = typeof source === 'function', drainMs } = readOptions('LockModule', options, rules, ['manager']);
    const manager: unknown = typeof source === 'function' ? await source() : source;
    if (!isManager(manager)) {
      throw new LockArgumentError('LockModule: manager must be a lock manager, or a function that makes one, such as () => connect()', {
        option: 'manager',
      });
    }
    return new OpenedLocks(manager, close, drainMs);
  }

  /** The last hook: the server has closed, and every request has been answered. */
  async onApplicationShutdown(): Promise<void> {
    if (this.#close) await this.manager.close({ drainMs: this.#drainMs });
  }
}

function isManager(value: unknown): value is LockManager {
  return typeof value === 'object' && value !== null && 'withLock' in value && 'close' in value && typeof value.close === 'function';
}
