import type { Finding } from '../contract/health.js';

/** A clock that is further off orders nothing wrongly, but tokens and marks of several stores compare badly. */
const MOST_OFFSET_MS = 1_000;

/** What was found in a look at a server. */
export type Look = Omit<Finding, 'server'>;

/** What was looked at is as it should be. */
export function fine(about: string, found: string): Look {
  return { about, status: 'ok', found };
}

/** What was looked at harms locks. */
export function harmful(about: string, found: string, advice: string): Look {
  return { about, status: 'wrong', found, advice };
}

/** The server did not let us look. */
export function unseen(about: string, found: string, advice: string): Look {
  return { about, status: 'unseen', found, advice };
}

/** How far the clock of a server is off, in milliseconds. @param advice for one that is more than a second off */
export function clockLook(offsetMs: number, advice: string): Look {
  const found = `${offsetMs >= 0 ? '+' : ''}${Math.round(offsetMs)} ms against this machine`;
  return Math.abs(offsetMs) <= MOST_OFFSET_MS ? fine('clock', found) : harmful('clock', found, advice);
}
