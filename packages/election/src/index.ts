export { createElection, type Election } from './create-election.js';
export type { ElectionChannel, ElectionEvent, ElectionEventType, ResignReason } from './election-events.js';
export type {
  CampaignOptions,
  ElectionCloseOptions,
  ElectionHealthOptions,
  ElectionOptions,
  ObserveOptions,
  RunOptions,
} from './election-options.js';
export type { ElectionHealth } from './health.js';
export type { Leader } from './leader-view.js';
export { LeadershipEndedError } from './leadership-ended-error.js';
export type { LeaderTask, Leadership } from './term.js';
