import { describeLockManager } from '@holdfast/core/conformance';
import { describe, it } from 'vitest';
import { migratingHarness } from './conformance-migrating-harness.js';

// Cases only share the machine: each has stores of its own.
const sideBySide = { describe, it: it.concurrent };

describeLockManager(sideBySide, migratingHarness({ phase: 'from', fair: false, losesReplyOf: 'from' }));
describeLockManager(sideBySide, migratingHarness({ phase: 'both', fair: false, losesReplyOf: 'from' }));
describeLockManager(sideBySide, migratingHarness({ phase: 'both', fair: true, losesReplyOf: 'to' }));
describeLockManager(sideBySide, migratingHarness({ phase: 'to', fair: true, losesReplyOf: 'to' }));
