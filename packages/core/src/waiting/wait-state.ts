/** What every state of a wait knows. */
interface Known {
  /** How often the store has said "busy". */
  readonly refusals: number;
  /** Whether the wait was refused, or found others in front. */
  readonly isContended: boolean;
}

/** Others of this manager stand in front. */
export interface Queued extends Known {
  readonly at: 'queued';
}

/** A request, or a place in the store's own queue, is under way. */
export interface Asking extends Known {
  readonly at: 'asking';
  /** Something has happened meanwhile that calls for another look. */
  readonly isWoken: boolean;
}

/** Between two requests. */
export interface Pausing extends Known {
  readonly at: 'pausing';
  /** Sleeps through what would wake it: it is the turn of other managers. */
  readonly isDeaf: boolean;
}

/** Settled. */
export interface Ended extends Known {
  readonly at: 'ended';
}

/** All that is known of one wait. Only `stepWait` makes the next from the last. */
export type WaitState = Queued | Asking | Pausing | Ended;

/** What can happen to a wait. Pauses are in ms. */
export type WaitEvent =
  /** It stands in front: `ask`; or the hold is this manager's own and will be given up here: `stay`. */
  | { readonly type: 'turn'; readonly may: 'ask' | 'stay' }
  /** It stands in front, and others come first, for so long. */
  | { readonly type: 'yield'; readonly forMs: number }
  /** Others are in front, in this manager or in the store. */
  | { readonly type: 'behind' }
  /** `isHeard`: wake-ups are heard since before the request was sent. */
  | { readonly type: 'busy'; readonly isHeard: boolean; readonly pauseMs: number }
  | { readonly type: 'failed'; readonly pauseMs: number }
  | { readonly type: 'woken' }
  /** The timer has fired. */
  | { readonly type: 'due' }
  | { readonly type: 'granted' }
  /** Refused permanently, aborted, timed out or closed. */
  | { readonly type: 'end'; readonly reason: unknown };

/** What is to be done because of a step. */
export type WaitEffect =
  | { readonly do: 'ask' }
  /** Looks whether this wait may ask now. */
  | { readonly do: 'take-turn' }
  /** Has wake-ups heard from now on. */
  | { readonly do: 'subscribe' }
  /** Has wake-ups go to others from now on. */
  | { readonly do: 'unsubscribe' }
  | { readonly do: 'emit' }
  /** `after` in ms from now; Infinity cancels the timer. */
  | { readonly do: 'timer'; readonly after: number }
  /** Ends the request that is under way. */
  | { readonly do: 'end-request'; readonly reason: unknown };

/** A state, and what follows from the step into it. */
export type WaitStep = readonly [WaitState, readonly WaitEffect[]];
