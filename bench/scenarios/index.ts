import type { Scenario } from '../scenario.js';
import { handover8Processes } from './handover-8-processes.js';
import { localContention } from './local-contention.js';
import { renew10000 } from './renew-10000.js';
import { tryEach1000 } from './try-each-1000.js';
import { inFlight64, uncontended } from './uncontended.js';
import { waiters1000 } from './waiters-1000.js';

/** All scenarios, in the order in which they run. */
export const scenarios: readonly Scenario[] = [
  uncontended,
  inFlight64,
  localContention,
  handover8Processes,
  waiters1000,
  renew10000,
  tryEach1000,
];
