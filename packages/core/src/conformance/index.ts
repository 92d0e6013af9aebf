export { type CaseFailure, ConformanceError } from './case-failure.js';
export type { ConformanceCase, World } from './conformance-case.js';
export { conformanceCases, describeLockManager } from './describe-lock-manager.js';
export { type FaultyBackend, type InjectedFaults, injectFaults } from './fault-injection.js';
export {
  type ClientModule,
  type ConformanceFaults,
  type ConformanceHarness,
  type ConformanceSetup,
  type FaultName,
  type LateDelivery,
  type SetupOptions,
  type StoppedHow,
  type TestRunner,
  type Via,
  noWire,
} from './harness.js';
export { type CapabilityName, type Level, type LevelName, levels, SUITE_VERSION } from './levels.js';
export { type Rule, rules } from './rules.js';
export { rulesPage } from './rules-page.js';
export { parseExpectedFailures } from './expected-failures.js';
export { htmlReport } from './report/html.js';
export { junitReport } from './report/junit.js';
export type { CaseResult, CaseStatus, ConformanceReport, LevelResult } from './report/report.js';
export { type Paint, summary, terminalReport } from './report/terminal.js';
export { type PlanOptions, planCases } from './run/plan.js';
export { runConformance } from './run/run-conformance.js';
export type { ConformanceRunOptions } from './run/run-plan.js';
export { serveConformance } from './run/serve-conformance.js';
export { superviseConformance, type SuperviseOptions } from './run/supervise-conformance.js';
export { runConformanceCase } from './run-conformance-case.js';
export { type ReservedPort, reservePort } from './wire/free-port.js';
export { lateDelivery } from './wire/late-delivery.js';
export type { Wire } from './wire/case-wire.js';
export { startTcpProxy, type TcpProxy, type TcpProxyOptions } from './wire/tcp-proxy.js';
