import type { Asking, Ended, Pausing, Queued, WaitEffect, WaitEvent, WaitState, WaitStep } from './wait-state.js';

const none: readonly WaitEffect[] = [];
const takeTurn: WaitEffect = { do: 'take-turn' };
/** Emitted once: the wait has begun in earnest. */
const begun: readonly WaitEffect[] = [{ do: 'emit' }];
const noTimer: WaitEffect = { do: 'timer', after: Number.POSITIVE_INFINITY };

/** Where every wait begins. */
export const newWait: WaitState = { at: 'queued', refusals: 0, isContended: false };

/** The one place in which what is known of a wait changes: pure. An event that has no row for a state changes nothing. */
export function stepWait(state: WaitState, event: WaitEvent): WaitStep {
  switch (state.at) {
    case 'queued':
      return wait(state, event);
    case 'asking':
      return ask(state, event);
    case 'pausing':
      return rest(state, event);
    case 'ended':
      return [state, none];
    default:
      return state satisfies never;
  }
}

function wait(state: Queued, event: WaitEvent): WaitStep {
  switch (event.type) {
    case 'turn':
      return turn(state, event.may);
    case 'yield':
      return [{ ...state, at: 'pausing', isDeaf: true }, [{ do: 'timer', after: event.forMs }]];
    case 'behind':
      return state.isContended ? [state, none] : [{ at: 'queued', refusals: state.refusals, isContended: true }, begun];
    case 'end':
      return [ended(state), none];
    default:
      return [state, none];
  }
}

function ask(state: Asking, event: WaitEvent): WaitStep {
  switch (event.type) {
    case 'woken':
      return [{ ...state, isWoken: true }, none];
    case 'behind':
    case 'due':
      return contended(state);
    case 'busy': {
      const [{ refusals }, emitted] = contended(state);
      const next: Pausing = { at: 'pausing', refusals: refusals + 1, isContended: true, isDeaf: false };
      // From the subscription on a release is heard; the request that follows at once closes the gap before it.
      if (!event.isHeard) return [next, [...emitted, noTimer, { do: 'subscribe' }, takeTurn]];
      return [next, state.isWoken ? [...emitted, noTimer, takeTurn] : [...emitted, { do: 'timer', after: event.pauseMs }]];
    }
    case 'failed': {
      const { refusals, isContended } = state;
      return [{ at: 'pausing', refusals, isContended, isDeaf: false }, [{ do: 'timer', after: event.pauseMs }]];
    }
    case 'granted':
      return [ended(state), [noTimer]];
    case 'end':
      return [ended(state), [noTimer, { do: 'end-request', reason: event.reason }]];
    default:
      return [state, none];
  }
}

function rest(state: Pausing, event: WaitEvent): WaitStep {
  switch (event.type) {
    case 'turn':
      return turn(state, event.may);
    case 'yield':
      // A store that wakes one waiter at a time must not wake this one.
      return [{ ...state, isDeaf: true }, [{ do: 'unsubscribe' }, { do: 'timer', after: event.forMs }]];
    case 'woken':
      return state.isDeaf ? [state, none] : [state, [noTimer, takeTurn]];
    case 'due':
      return [state, [takeTurn]];
    case 'end':
      return [ended(state), [noTimer]];
    default:
      return [state, none];
  }
}

function turn(state: Queued | Pausing, may: Extract<WaitEvent, { type: 'turn' }>['may']): WaitStep {
  const { refusals, isContended } = state;
  switch (may) {
    case 'ask':
      return [{ at: 'asking', refusals, isContended, isWoken: false }, [{ do: 'ask' }]];
    case 'stay':
      return [{ at: 'pausing', refusals, isContended: true, isDeaf: false }, isContended ? [noTimer] : [{ do: 'emit' }, noTimer]];
    default:
      return may satisfies never;
  }
}

function contended(state: Asking): readonly [Asking, readonly WaitEffect[]] {
  return state.isContended ? [state, none] : [{ ...state, isContended: true }, begun];
}

function ended({ refusals, isContended }: WaitState): Ended {
  return { at: 'ended', refusals, isContended };
}
