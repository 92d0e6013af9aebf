import type { LockManager } from '@holdfast/core';
import { checkTerminus, terminusVersion } from './check-terminus.js';

/** The store answered. */
export interface LocksUp {
  /** What terminus reads. */
  readonly status: 'up';
  /** How long the check took, in milliseconds. */
  readonly latencyMs: number;
}

/** The store did not answer, or refused. */
export interface LocksDown {
  /** What terminus reads. */
  readonly status: 'down';
  /** The code of the error, such as `LOCK_BACKEND_UNAVAILABLE`. */
  readonly code: string;
  /** What is wrong, for people; without any secret. */
  readonly message: string;
}

/** What a check of `@nestjs/terminus` takes. */
export type LockHealthResult<K extends string> = Record<K, LocksUp | LocksDown>;

/** A health indicator for `@nestjs/terminus` 11 and later: `health.check([() => locks.isHealthy('locks')])`. */
export class LockHealthIndicator {
  readonly #manager: LockManager;
  readonly #terminus = terminusVersion();

  constructor(manager: LockManager) {
    this.#manager = manager;
  }

  /**
   * Takes and frees a random lock. What is wrong with the store is in the answer, without any secret.
   *
   * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option, and where a terminus before 11 is installed, which would report a store that is down as healthy
   */
  async isHealthy<const K extends string = 'locks'>(
    key: K = 'locks' as K,
    options?: {
      /**
       * How long it may take, in milliseconds.
       * @default the manager's `commandTimeoutMs`
       */
      readonly timeoutMs?: number | undefined;
    },
  ): Promise<LockHealthResult<K>> {
    checkTerminus(this.#terminus);
    const report = await this.#manager.checkHealth(options);
    const result = report.ok
      ? { status: 'up' as const, latencyMs: report.latencyMs }
      : { status: 'down' as const, code: report.error.code, message: report.error.message };
    return { [key]: result } as LockHealthResult<K>;
  }
}
