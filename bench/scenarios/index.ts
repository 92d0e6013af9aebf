import type { Scenario } from '../scenario.js';
import { atDistance } from './at-distance.js';
import { handover8Processes } from './handover-8-processes.js';
import { localContention } from './local-contention.js';
import { managers200 } from './managers-200.js';
import { names1000000 } from './names-1000000.js';
import { oneName64Processes } from './one-name-64-processes.js';
import { permitsInUse } from './permits-in-use.js';
import { renew10000 } from './renew-10000.js';
import { tryEach1000 } from './try-each-1000.js';
import { inFlight64, ofTheFloor, uncontended } from './uncontended.js';
import { waiters1000 } from './waiters-1000.js';

/** All scenarios, in the order in which they run. */
export const scenarios: readonly Scenario[] = [
  uncontended,
  inFlight64,
  atDistance(uncontended, 'uncontended-0.5ms', 0.5, [ofTheFloor('redis', 'holdfast', 0.97)]),
  atDistance(uncontended, 'uncontended-5ms', 5),
  atDistance(inFlight64, 'in-flight-64-0.5ms', 0.5),
  atDistance(inFlight64, 'in-flight-64-5ms', 5),
  localContention,
  handover8Processes,
  atDistance(handover8Processes, 'handover-8-processes-0.5ms', 0.5),
  atDistance(handover8Processes, 'handover-8-processes-5ms', 5),
  waiters1000,
  renew10000,
  tryEach1000,
  permitsInUse,
  oneName64Processes,
  names1000000,
  managers200,
];
