import { describeLockManager } from '@holdfast/core/conformance';
import { describe, it } from 'vitest';
import { memoryHarness } from './conformance-memory-harness.js';
import { handing } from './handing-backend.js';

// Cases only share the machine: each has a store of its own.
describeLockManager(
  { describe, it: it.concurrent },
  memoryHarness({
    name: 'a queue for the first of each manager, which hands on',
    fair: true,
    breakBackend: () => (backend) => handing(backend),
  }),
);
