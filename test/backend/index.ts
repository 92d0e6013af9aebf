export {
  type CountedManagers,
  documentedRoundTrips,
  type LockKindName,
  lockKinds,
  measureRoundTrips,
  type RoundTrips,
} from './round-trips.js';
export { loadMarks, type MarkLoad } from './mark-load.js';
export {
  attempt,
  callOf,
  free,
  freeAll,
  type Granted,
  newName,
  newOwner,
  permitsOf,
  requestOf,
  take,
} from './requests.js';
export { type CaseStore, OpenedCase, warmUp, harnessOverWire } from './case-harness.js';
