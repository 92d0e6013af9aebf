import type { AnyLockError } from '../errors.js';
import type { FencingToken, LostReason } from './lease.js';
import type { LockKind } from './state.js';

interface EventBase {
  readonly backend: string;
  readonly kind: LockKind;
  readonly name: string;
  readonly label: string;
  /** Wall-clock milliseconds since the epoch. */
  readonly at: number;
}

/**
 * What an operator can observe, on the channel `holdfast:<type>` of `node:diagnostics_channel` and through
 * `onEvent`. Never carries an owner token. What an observer throws or rejects is swallowed.
 */
export type LockEvent =
  | (EventBase & { readonly type: 'waiting' })
  | (EventBase & { readonly type: 'granted'; readonly waitedMs: number; readonly contended: boolean; readonly fencingToken: FencingToken })
  | (EventBase & {
      readonly type: 'not-granted';
      readonly waitedMs: number;
      readonly outcome: 'busy' | 'timeout' | 'aborted' | 'unavailable' | 'closed';
      readonly error?: unknown;
    })
  | (EventBase & { readonly type: 'renew-failed'; readonly remainingMs: number; readonly error: AnyLockError })
  | (EventBase & { readonly type: 'lost'; readonly reason: LostReason; readonly heldMs: number; readonly fencingToken: FencingToken })
  | (EventBase & { readonly type: 'released'; readonly heldMs: number; readonly freed: boolean; readonly fencingToken: FencingToken })
  | (EventBase & { readonly type: 'release-failed'; readonly error: AnyLockError });

/** The kinds of events. */
export type LockEventType = LockEvent['type'];

/** The names of the diagnostics channels. */
export type LockChannel = `holdfast:${LockEventType}`;
