// redlock 4.2 ships no types; this is the part of it that the benchmark uses.
declare module 'redlock' {
  import type { Redis } from 'ioredis';

  export interface RedlockLock {
    unlock(): Promise<void>;
  }

  export default class Redlock {
    constructor(clients: readonly Redis[], options?: { readonly retryCount?: number });
    static readonly LockError: new (
      message?: string,
      attempts?: number,
    ) => Error;
    lock(resource: string, ttlMs: number): Promise<RedlockLock>;
  }
}
