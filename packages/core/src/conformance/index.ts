export type { CapabilityName, ConformanceCase, World } from './conformance-case.js';
export { conformanceCases, describeLockManager } from './describe-lock-manager.js';
export { type FaultyBackend, type InjectedFaults, injectFaults } from './fault-injection.js';
export type {
  ConformanceFaults,
  ConformanceHarness,
  ConformanceSetup,
  FaultName,
  LateDelivery,
  StoppedHow,
  TestRunner,
} from './harness.js';
export { runConformanceCase } from './run-conformance-case.js';
export { type ReservedPort, reservePort } from './wire/free-port.js';
export { lateDelivery } from './wire/late-delivery.js';
export { startTcpProxy, type TcpProxy, type TcpProxyOptions } from './wire/tcp-proxy.js';
