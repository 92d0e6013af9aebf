/** How waiters stand in line, and what they ask for. */
export type Kind = 'exclusive' | 'read' | 'write' | 'permits';

/** The protocol's numbers, in ticks, and what goes on around it. */
export interface PushSetting {
  readonly managers: number;
  /** What each wait of a manager asks for; as many as there are waits at a time. */
  readonly waits: readonly { readonly kind: Kind; readonly permits: number }[];
  readonly limit: number;
  /** How many waits a manager begins in all. */
  readonly attempts: number;
  /** All waits stand in the queue; else the first of each manager, which hands on to its own next one. */
  readonly isFair: boolean;
  /** A manager hands on to itself for so long while another one waits. */
  readonly turn: number;
  readonly interval: number;
  readonly alive: number;
  readonly provisional: number;
  readonly guard: number;
  readonly ttl: number;
  readonly timeout: number;
  readonly mostMessages: number;
  /** Clocks of managers that may lose a tick, which is the whole guard. */
  readonly slips: number;
  readonly forcedReleases: number;
  readonly deaths: number;
  /** A successor takes over whose clock is so far ahead, and which lacks the last write. */
  readonly failover: number | null;
  /** Manager 0, or all, act at once and lose no message but this many; then no name is idle for longer than `idle`. */
  readonly prompt: { readonly who: 'first' | 'all'; readonly lostPushes: number; readonly idle: number } | null;
  readonly rules: PushRules;
}

/** What a mutant changes. */
export interface PushRules {
  /** From when the server counts the provisional time. */
  readonly serverCountsFrom: 'last-sign' | 'grant';
  /** From when the head counts it. */
  readonly headCountsFrom: 'the-named-sign' | 'its-last-sign' | 'receipt' | 'its-last-refusal';
  /** What a message names is looked up among the signs that the same server has answered. */
  readonly knowsServerOfSign: boolean;
  readonly confirmsBy: 'renewal' | 'acquire';
  readonly confirmationShortens: boolean;
  /** A head whose ttl is shorter than the provisional time starts at once. */
  readonly startsWithShortTtl: boolean;
  /** What comes for one that waits no more is given back at once, whatever it holds. */
  readonly declines: boolean;
  readonly keepsGuard: boolean;
  readonly undoes: boolean;
  readonly doubtEnds: 'carried-out-later' | 'heard-later' | 'with-any-release';
  /** A release beside a granting request that is not answered ends nothing. */
  readonly mindsUnanswered: boolean;
  readonly requestsExpire: boolean;
  readonly nextExpires: boolean;
  readonly looksAtLife: boolean;
  readonly handsOnAtSigns: boolean;
  /** A manager is notified until when a provisional hold stands, and asks then. */
  readonly asksAtEnd: boolean;
  /** The place of a head that nobody heard of is kept, and its manager's life. */
  readonly keepsUnheard: boolean;
  /** Goes on until the head does not fit. */
  readonly grantsAllThatFit: boolean;
  /** One that fits passes one in front that does not. */
  readonly letsPass: boolean;
  readonly readersMindWriters: boolean;
  readonly weighs: boolean;
  readonly turnEnds: boolean;
}

export const pushRules: PushRules = {
  serverCountsFrom: 'last-sign',
  headCountsFrom: 'the-named-sign',
  knowsServerOfSign: true,
  confirmsBy: 'renewal',
  confirmationShortens: false,
  startsWithShortTtl: false,
  declines: false,
  keepsGuard: true,
  undoes: true,
  doubtEnds: 'carried-out-later',
  mindsUnanswered: true,
  requestsExpire: true,
  nextExpires: true,
  looksAtLife: true,
  handsOnAtSigns: true,
  asksAtEnd: true,
  keepsUnheard: true,
  grantsAllThatFit: true,
  letsPass: false,
  readersMindWriters: true,
  weighs: true,
  turnEnds: true,
};

export const pushSetting: PushSetting = {
  managers: 2,
  waits: [{ kind: 'exclusive', permits: 1 }],
  limit: 1,
  attempts: 2,
  isFair: true,
  turn: 3,
  interval: 2,
  alive: 3,
  provisional: 4,
  guard: 1,
  ttl: 6,
  timeout: 2,
  mostMessages: 5,
  slips: 1,
  forcedReleases: 0,
  deaths: 0,
  failover: null,
  prompt: null,
  rules: pushRules,
};
