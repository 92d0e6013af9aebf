import type { ReleaseAnswer } from '../contract/backend.js';

/** Whether the release freed the hold, of a backend that says more and of one that says only this. */
export function wasOurs(answer: boolean | ReleaseAnswer | undefined): boolean {
  return typeof answer === 'object' ? answer.wasOurs : answer === true;
}
