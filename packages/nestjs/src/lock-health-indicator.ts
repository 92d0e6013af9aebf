import type { LockManager } from '@holdfast/core';

/** What a check of `@nestjs/terminus` takes. */
export type LockHealthResult<K extends string> = Record<
  K,
  | {
      readonly status: 'up';
      /** How long taking and freeing a lock took, in milliseconds. */
      readonly latencyMs: number;
    }
  | {
      readonly status: 'down';
      /** One of the codes of errors, such as LOCK_BACKEND_UNAVAILABLE. */
      readonly code: string;
      /** For people, without any secret. */
      readonly message: string;
    }
>;

/** A health indicator for `@nestjs/terminus` 11 and later: `health.check([() => locks.isHealthy('locks')])`. */
export class LockHealthIndicator {
  readonly #manager: LockManager;

  constructor(manager: LockManager) {
    this.#manager = manager;
  }

  /** Takes and frees a random lock. Never rejects: what is wrong is in the answer, without any secret. */
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
    const report = await this.#manager.checkHealth(options);
    const result = report.ok
      ? { status: 'up' as const, latencyMs: report.latencyMs }
      : { status: 'down' as const, code: report.error.code, message: report.error.message };
    return { [key]: result } as LockHealthResult<K>;
  }
}
