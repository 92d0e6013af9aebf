import type { AcquireOptions, ManagerOptions, TryOptions } from '../../index.js';

/** What a client in a process of its own is asked. Leases stay there, and are spoken of by number. */
export type ClientRequest = { readonly id: number } & (
  | { readonly ask: 'open'; readonly module: string; readonly data: unknown; readonly options: ManagerOptions }
  | { readonly ask: 'acquire'; readonly name: string; readonly options: AcquireOptions }
  | { readonly ask: 'tryAcquire'; readonly name: string; readonly options: TryOptions }
  | { readonly ask: 'isHeld' | 'release'; readonly lease: number }
  /** Lets go of the channel: what then keeps the process is the manager's. */
  | { readonly ask: 'leave' }
);

/** `value`: a lease's number, null for busy, or a boolean. */
export type ClientAnswer = { readonly id: number } & ({ readonly value: number | boolean | null } | { readonly error: string });
