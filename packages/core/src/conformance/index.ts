export type { CapabilityName, ConformanceCase, World } from './conformance-case.js';
export { conformanceCases, describeLockManager } from './describe-lock-manager.js';
export { type FaultyBackend, type InjectedFaults, injectFaults } from './fault-injection.js';
export type { ConformanceFaults, ConformanceHarness, ConformanceSetup, FaultName, TestRunner } from './harness.js';
export { runConformanceCase } from './run-conformance-case.js';
