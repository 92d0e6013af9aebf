import type { AnyLockError } from '../errors.js';
import type { FencingToken, LostReason } from './lease.js';
import type { LockKind } from './state.js';

interface EventBase {
  /** The backend of the manager, such as `redis`. */
  readonly backend: string;
  /** Of which kind the name is. */
  readonly kind: LockKind;
  /** The name that was asked for. */
  readonly name: string;
  /** Who asked, for people. */
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
  | (EventBase & {
      readonly type: 'granted';
      /** How long the call waited, in milliseconds. */
      readonly waitedMs: number;
      /** Whether somebody else had it, or stood in line, when the call began. */
      readonly contended: boolean;
      /** The token of the grant; null for permits, and where the store has none. */
      readonly fencingToken: FencingToken;
    })
  | (EventBase & {
      readonly type: 'not-granted';
      /** How long the call waited, in milliseconds. */
      readonly waitedMs: number;
      /** Why nothing is held. */
      readonly outcome: 'busy' | 'timeout' | 'aborted' | 'unavailable' | 'closed';
      /** What the call rejected with; absent when it was busy. */
      readonly error?: unknown;
    })
  | (EventBase & {
      readonly type: 'renew-failed';
      /** How long the lease is still held without another renewal, in milliseconds. */
      readonly remainingMs: number;
      /** Why the store did not confirm the renewal. */
      readonly error: AnyLockError;
    })
  | (EventBase & {
      readonly type: 'lost';
      /** Why it was lost; docs/errors.md says of each reason what to do. */
      readonly reason: LostReason;
      /** How long it was held, in milliseconds. */
      readonly heldMs: number;
      /** The token of the hold that was lost. */
      readonly fencingToken: FencingToken;
    })
  | (EventBase & {
      readonly type: 'released';
      /** How long it was held, in milliseconds. */
      readonly heldMs: number;
      /** Whether the release freed it: false when it had ended before. */
      readonly freed: boolean;
      /** The token of the hold. */
      readonly fencingToken: FencingToken;
    })
  | (EventBase & {
      readonly type: 'release-failed';
      /** Why the release was not answered; it goes on in the background. */
      readonly error: AnyLockError;
    });

/** The kinds of events. */
export type LockEventType = LockEvent['type'];

/** The names of the diagnostics channels. */
export type LockChannel = `holdfast:${LockEventType}`;
