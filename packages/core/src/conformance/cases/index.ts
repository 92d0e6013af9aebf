import type { ConformanceCase } from '../conformance-case.js';
import { abortCases } from './abort.js';
import { crashCases, residueCases } from './aftermath.js';
import { argumentCases } from './arguments.js';
import { backendCases } from './backend.js';
import { clockCases } from './clock.js';
import { closeCases } from './close.js';
import { contextCases } from './contexts.js';
import { deadlineCases } from './deadline.js';
import { eventCases } from './events.js';
import { exclusiveCases } from './exclusive.js';
import { exclusiveInTimeCases } from './exclusive-in-time.js';
import { fencingCases } from './fencing.js';
import { inspectionCases } from './inspection.js';
import { kindCases } from './kinds.js';
import { lateCases } from './late.js';
import { lateMarkCases } from './late-marks.js';
import { leaseCases } from './leases.js';
import { limitCases } from './limits.js';
import { manyCases } from './many.js';
import { markCases } from './marks.js';
import { nameCases } from './names.js';
import { nodeCases } from './nodes.js';
import { outcomeCases } from './outcomes.js';
import { processCases } from './process.js';
import { readWriteCases } from './read-write.js';
import { reentryCases } from './reentry.js';
import { renewalCases } from './renewal.js';
import { semaphoreCases } from './semaphores.js';
import { ticketCases } from './tickets.js';
import { unavailableCases } from './unavailable.js';
import { waitingCases } from './waiting.js';
import { severalServersCases, wireCases } from './wire.js';
import { withLockCases } from './with-lock.js';

/** Every case there is, in the order in which a reader would want them to fail. */
export const allCases: readonly ConformanceCase[] = [
  ...outcomeCases,
  ...exclusiveCases,
  ...exclusiveInTimeCases,
  ...argumentCases,
  ...nameCases,
  ...kindCases,
  ...leaseCases,
  ...ticketCases,
  ...renewalCases,
  ...deadlineCases,
  ...clockCases,
  ...abortCases,
  ...unavailableCases,
  ...lateCases,
  ...lateMarkCases,
  ...wireCases,
  ...nodeCases,
  ...severalServersCases,
  ...fencingCases,
  ...semaphoreCases,
  ...limitCases,
  ...readWriteCases,
  ...manyCases,
  ...waitingCases,
  ...contextCases,
  ...reentryCases,
  ...withLockCases,
  ...closeCases,
  ...inspectionCases,
  ...markCases,
  ...eventCases,
  ...residueCases,
  ...crashCases,
  ...processCases,
  ...backendCases,
];
