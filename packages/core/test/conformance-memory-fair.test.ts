import { describeLockManager } from '@holdfast/core/conformance';
import { describe, it } from 'vitest';
import { memoryHarness } from './conformance-memory-harness.js';

// Cases only share the machine: each has a store of its own.
const sideBySide = { describe, it: it.concurrent };

describeLockManager(sideBySide, memoryHarness({ name: 'the memory backend with a fair queue', fair: true, faultsBy: 'store' }));
describeLockManager(
  sideBySide,
  memoryHarness({ name: 'the memory backend with a fair queue, behind a gate', fair: true, faultsBy: 'gate' }),
);
