import { type Channel, channel } from 'node:diagnostics_channel';
import { type LostReason, publishEvent } from '@holdfast/core';

/**
 * Why a leader gave its term back: its task `returned` or `failed`; it `resigned`; the election was `closed`; the `signal` of `run` had
 * `aborted`; it `stepped-down` because the lease could not be renewed; the lease of `campaign` was `released`.
 */
export type ResignReason = 'returned' | 'failed' | 'resigned' | 'closed' | 'aborted' | 'stepped-down' | 'released';

interface EventBase {
  readonly backend: string;
  /** The election's name. */
  readonly election: string;
  /** Whose term it is; null where the store does not say. */
  readonly label: string | null;
  /** The fencing token of the leader's lease. */
  readonly term: bigint;
  /** Wall-clock milliseconds since the epoch. */
  readonly at: number;
}

/**
 * What an operator can observe of an election, through `onEvent` and on the channel `holdfast:election:<type>` of
 * `node:diagnostics_channel`. `elected`, `resigned` and `deposed` are of this election's own candidates. `leader-changed` is about the leader, here or elsewhere, when
 * this election notices it: it is elected, `leader()` or `observe()` sees a later term.
 */
export type ElectionEvent =
  | (EventBase & { readonly type: 'elected'; readonly waitedMs: number })
  | (EventBase & { readonly type: 'resigned'; readonly reason: ResignReason; readonly ledMs: number; readonly error?: unknown })
  | (EventBase & { readonly type: 'deposed'; readonly reason: LostReason; readonly ledMs: number })
  | (EventBase & { readonly type: 'leader-changed'; readonly previousTerm: bigint | null });

/** The kinds of events. */
export type ElectionEventType = ElectionEvent['type'];

/** The names of the diagnostics channels. */
export type ElectionChannel = `holdfast:election:${ElectionEventType}`;

const channels: Readonly<Record<ElectionEventType, Channel>> = {
  elected: channel('holdfast:election:elected' satisfies ElectionChannel),
  resigned: channel('holdfast:election:resigned' satisfies ElectionChannel),
  deposed: channel('holdfast:election:deposed' satisfies ElectionChannel),
  'leader-changed': channel('holdfast:election:leader-changed' satisfies ElectionChannel),
};

/** Gives an event to the observers; what they throw never reaches an election. */
export function emit(event: ElectionEvent, onEvent: ((event: ElectionEvent) => unknown) | undefined): void {
  publishEvent(channels[event.type], event, onEvent);
}
