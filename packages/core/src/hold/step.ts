import type { Stamp } from '../contract/backend.js';
import type { LostReason } from '../errors.js';
import { guardMs } from '../time/guard.js';
import { BATCH_GAP_MS, isAtMaxHold, later, nextRenewalAt, remainingMs } from './deadline.js';
import type { Asking, Doubtful, Ended, Held, HoldEffect, HoldEnd, HoldEvent, HoldState, Releasing, Step } from './hold-state.js';
import { lostError } from './lost-error.js';

/** The pause before a release is repeated doubles from the first to the last. */
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1_000;
/** A grant that is not confirmed yet has little time. */
const CONFIRM_AGAIN_MS = 100;
/** For so much longer than it was given the store may seem to keep a hold: its clock and ours differ. */
const UNTIL_MARGIN_MS = 1_000;

const none: readonly HoldEffect[] = [];
const noTimer: HoldEffect = { do: 'timer', at: Number.POSITIVE_INFINITY };
const release: HoldEffect = { do: 'send', what: 'release', soon: false };
const releaseSoon: HoldEffect = { do: 'send', what: 'release', soon: true };
const verification: HoldEffect = { do: 'send', what: 'renewal', ttlMs: null };
const emitLost: HoldEffect = { do: 'emit', type: 'lost' };
const emitReleased: HoldEffect = { do: 'emit', type: 'released' };

/**
 * The one place in which what is known of a hold changes: pure, without a clock of its own. An event that has no row for a state
 * comes too late to matter and changes nothing; ARCHITECTURE.md has the table of all rows.
 */
export function step(state: HoldState, event: HoldEvent, now: Stamp): Step {
  switch (state.at) {
    case 'asking':
      return ask(state, event, now);
    case 'held':
      return hold(state, event, now);
    case 'releasing':
      return free(state, event, now);
    case 'doubtful':
      return doubt(state, event, now);
    case 'ended':
      return [state, none];
    default:
      return state satisfies never;
  }
}

function ask(state: Asking, event: HoldEvent, now: Stamp): Step {
  switch (event.type) {
    case 'granted': {
      const { plan, store } = state.hold;
      const { stamp, forMs } = event;
      const isConfirmed = forMs === undefined;
      const beliefMs = Math.min(plan.ttlMs, store.sessionMs, forMs ?? Number.POSITIVE_INFINITY);
      const held: Held = {
        at: 'held',
        hold: state.hold,
        // What its holder may do with a provisional grant begins now.
        grant: { stamp: isConfirmed ? stamp : now, fencingToken: plan.mode === 'permits' ? null : event.fencingToken },
        end: null,
        deadline: { now: stamp.now + beliefMs, wall: stamp.wall + beliefMs },
        capMs: store.isSession && !plan.renew ? plan.ttlMs : Number.POSITIVE_INFINITY,
        renewAt: isConfirmed ? nextRenewalAt(stamp.now, beliefMs) : Number.POSITIVE_INFINITY,
        longestTtlMs: plan.ttlMs,
        isConfirmed,
      };
      // The deadline counts from before the request was sent: a grant may come too late to be believed.
      const left = remainingMs(held, now);
      if (left <= 0) return [doubtAbout(state, { how: 'not-granted' }, now, true), [release]];
      const timer: HoldEffect = { do: 'timer', at: Math.min(now.now + left, held.renewAt) };
      return [held, isConfirmed ? [timer] : [{ do: 'send', what: 'renewal', ttlMs: plan.ttlMs }, timer]];
    }
    case 'refused':
      return [ended(state, { how: 'not-granted' }), none];
    case 'unanswered':
      return [doubtAbout(state, { how: 'not-granted' }, now, event.isSettled), [release]];
    default:
      return [state, none];
  }
}

function hold(state: Held, event: HoldEvent, now: Stamp): Step {
  switch (event.type) {
    case 'expired':
      return lose(state, isAtMaxHold(state, now) ? 'max-hold' : 'deadline', now);
    case 'due': {
      if (remainingMs(state, now) <= 0) return hold(state, { type: 'expired' }, now);
      if (state.renewAt > now.now) return [state, [timerOf(state, now)]];
      const { renew, ttlMs } = state.hold.plan;
      const next: Held = { ...state, renewAt: Number.POSITIVE_INFINITY };
      return [next, [renew || !state.isConfirmed ? { do: 'send', what: 'renewal', ttlMs } : verification, timerOf(next, now)]];
    }
    case 'renewed': {
      // Late is lost: the answer must come before the old deadline.
      if (remainingMs(state, now) <= 0) return hold(state, { type: 'expired' }, now);
      const next = renewed(state, event);
      return [next, [timerOf(next, now)]];
    }
    case 'renew-failed': {
      const left = remainingMs(state, now);
      if (left <= 0) return hold(state, { type: 'expired' }, now);
      const longest = state.isConfirmed ? 1_000 : CONFIRM_AGAIN_MS;
      const next: Held = { ...state, renewAt: now.now + Math.min(Math.max(left / 8, BATCH_GAP_MS), longest) };
      return [next, [timerOf(next, now), { do: 'emit', type: 'renew-failed', error: event.error }]];
    }
    case 'extend':
      return [
        { ...state, longestTtlMs: Math.max(state.longestTtlMs, event.ttlMs) },
        [{ do: 'send', what: 'extension', ttlMs: event.ttlMs }],
      ];
    case 'gone':
      return lose(state, event.reason, now);
    case 'unused':
      return [doubtAbout(state, { how: 'unused' }, now, true), [noTimer, release]];
    case 'detach':
      return [ended(state, { how: 'detached' }), [noTimer, emitReleased]];
    case 'release': {
      const { hold: facts, grant, longestTtlMs } = state;
      return [{ at: 'releasing', hold: facts, grant, end: null, longestTtlMs }, [noTimer, release]];
    }
    default:
      return [state, none];
  }
}

function free(state: Releasing, event: HoldEvent, now: Stamp): Step {
  switch (event.type) {
    case 'freed': {
      const { wasOurs, isFinal } = event;
      const end: HoldEnd = { how: 'released', wasOurs };
      const reported: readonly HoldEffect[] = [{ do: 'settle', wasOurs }, emitReleased];
      return isFinal ? [ended(state, end), reported] : pause(doubtAbout(state, end, now, true), now, reported);
    }
    case 'not-freed': {
      const { error } = event;
      const reported: readonly HoldEffect[] = [
        { do: 'settle', error },
        { do: 'emit', type: 'release-failed', error },
      ];
      return pause(doubtAbout(state, { how: 'released', wasOurs: null }, now, true), now, reported);
    }
    default:
      return [state, none];
  }
}

function doubt(state: Doubtful, event: HoldEvent, now: Stamp): Step {
  switch (event.type) {
    case 'refused':
      return [ended(state, state.end), [noTimer]];
    case 'settled':
      return state.release === 'waiting'
        ? [{ ...state, isSettled: true, release: 'under-way' }, [noTimer, release]]
        : [{ ...state, isSettled: true, release: 'stale' }, none];
    case 'due':
      if (state.release !== 'waiting') return [state, none];
      return now.now >= state.until ? [ended(state, state.end), none] : [{ ...state, release: 'under-way' }, [releaseSoon]];
    case 'release':
      return state.release === 'waiting' ? [{ ...state, release: 'under-way' }, [noTimer, release]] : [state, none];
    case 'freed':
      if (event.isFinal) return [ended(state, state.end), none];
      return state.release === 'stale' ? [{ ...state, release: 'under-way' }, [release]] : pause(state, now, none);
    case 'not-freed':
      return now.now >= state.until ? [ended(state, state.end), none] : pause(state, now, none);
    default:
      return [state, none];
  }
}

/** A renewal moves the deadline by the ttl; an extension by what was asked for, and the cap with the deadline. */
function renewed(state: Held, { stamp, beliefMs, extensionMs }: Extract<HoldEvent, { type: 'renewed' }>): Held {
  const { plan, store } = state.hold;
  const deadline = later(state.deadline, { now: stamp.now + beliefMs, wall: stamp.wall + beliefMs });
  if (extensionMs !== null) {
    return { ...state, isConfirmed: true, deadline, capMs: Math.max(state.capMs, stamp.now - state.grant.stamp.now + extensionMs) };
  }
  const renewAt = nextRenewalAt(stamp.now, beliefMs);
  // A ttl store was only asked whether the hold stands.
  return plan.renew || store.isSession || !state.isConfirmed ? { ...state, isConfirmed: true, deadline, renewAt } : { ...state, renewAt };
}

function lose(state: Held, reason: LostReason, now: Stamp): Step {
  const { plan, store } = state.hold;
  const { fencingToken } = state.grant;
  const error = lostError(reason, { lockName: plan.name, backend: store.backend, fencingToken });
  const end: HoldEnd = { how: 'lost', error };
  const reported: readonly HoldEffect[] = [{ do: 'abort', error }, emitLost];
  switch (reason) {
    case 'deadline': {
      // The holder has the guard to stop; then whatever the store still keeps of the hold is freed.
      const next: Doubtful = { ...doubtAbout(state, end, now, true), release: 'waiting' };
      return [next, [...reported, { do: 'timer', at: now.now + guardMs(plan.ttlMs) }]];
    }
    case 'max-hold':
    case 'closed':
      return [doubtAbout(state, end, now, true), [noTimer, ...reported, release]];
    default:
      // The store's word, or our own forced release.
      return [ended(state, end), [noTimer, ...reported]];
  }
}

/** A release is under way. */
function doubtAbout(state: Asking | Held | Releasing, end: HoldEnd, now: Stamp, isSettled: boolean): Doubtful {
  const { hold: facts } = state;
  const { plan, store } = facts;
  const ttlMs = state.at === 'asking' ? plan.ttlMs : state.longestTtlMs;
  const until = now.now + store.commandTimeoutMs + ttlMs + guardMs(ttlMs) + UNTIL_MARGIN_MS;
  return {
    at: 'doubtful',
    hold: facts,
    grant: state.grant,
    end,
    // A session store keeps what its session holds for as long as the session lives.
    until: store.isSession ? Number.POSITIVE_INFINITY : until,
    isSettled,
    release: 'under-way',
    pauseMs: FIRST_PAUSE_MS,
  };
}

function pause(state: Doubtful, now: Stamp, reported: readonly HoldEffect[]): Step {
  const { pauseMs } = state;
  const next: Doubtful = { ...state, release: 'waiting', pauseMs: Math.min(pauseMs * 2, LAST_PAUSE_MS) };
  return [next, [...reported, { do: 'timer', at: now.now + pauseMs }]];
}

function ended(state: Exclude<HoldState, Ended>, end: HoldEnd): Ended {
  return { at: 'ended', hold: state.hold, grant: state.grant, end };
}

/** The next thing that happens to the hold by itself: its renewal or its deadline. */
function timerOf(state: Held, now: Stamp): HoldEffect {
  return { do: 'timer', at: Math.min(now.now + Math.max(0, remainingMs(state, now)), state.renewAt) };
}
