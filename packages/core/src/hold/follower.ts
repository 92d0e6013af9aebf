import type { Answer, HoldRequest } from '../contract/backend.js';

/** A request that goes with the release of the hold in front of it; see `Release.next`. */
export interface Follower {
  readonly request: HoldRequest;
  /** The backend has answered the release. */
  answered(answer: Answer | null | undefined): void;
  /** The backend has rejected it. */
  failed(error: unknown): void;
}
