import type { LockManager } from '@holdfast/core';

/** What `LockModule` needs. */
export interface LockModuleOptions {
  /** The manager, which stays yours to close; or a function that makes one, such as `() => connect()`, which the module closes with the application. */
  readonly manager: LockManager | (() => LockManager | PromiseLike<LockManager>);
  /**
   * Whether the manager is closed when the application shuts down.
   * @default true for a function, false for a manager
   */
  readonly close?: boolean | undefined;
  /**
   * How long holders may finish then, in milliseconds. From 0 to 2^31-1.
   * @default 0
   */
  readonly drainMs?: number | undefined;
}
