export type {
  Answer,
  DifferentLimit,
  HoldRef,
  HoldRequest,
  LockBackend,
  Release,
  ReleaseAnswer,
  Stamp,
  WaitLine,
} from './contract/backend.js';
export type { CallContext } from './contract/call-context.js';
export type { Capabilities } from './contract/capabilities.js';
export type { Clock } from './contract/clock.js';
export type { AcquireTrace, HoldTrace } from './contract/traces.js';
export type {
  HoldLifeEvent,
  LimitDiffersEvent,
  LockChannel,
  LockEvent,
  LockEventType,
  NodeChangedEvent,
  StoreCallEvent,
  StoreOperation,
} from './contract/events.js';
export type { Finding, HealthReport, NodeHealth } from './contract/health.js';
export type { LeaseTicket } from './contract/lease-ticket.js';
export type { FencingToken, Hold, Lease, LeaseGroup, LeaseMap, LostReason, PermitLease, Task, TryResult } from './contract/lease.js';
export type {
  BackendMarks,
  CompletionMarks,
  MarkOptions,
  MarkOutcome,
  MarkRequest,
  MarkSetter,
  MarkState,
  StoredMark,
} from './contract/marks.js';
export type { LeaseDefaults, Lock, LockManager, ManagerOptions, Names, ReadWriteLock, Semaphore } from './contract/manager.js';
export type {
  AcquireOptions,
  AdoptOptions,
  CloseOptions,
  DetachOptions,
  LeaseOptions,
  PermitCount,
  TryOptions,
} from './contract/options.js';
export type { HolderState, LockKind, LockState } from './contract/state.js';
export { checkName, MAX_NAME_BYTES } from './check-name.js';
export {
  checkValue,
  MAX_DURATION_MS,
  MAX_RETENTION_MS,
  MAX_LABEL_BYTES,
  type OptionRule,
  pickOptions,
  readOptions,
  rule,
} from './check-options.js';
export {
  type AnyLockError,
  isLockError,
  LockArgumentError,
  LockClosedError,
  LockError,
  type LockErrorCode,
  type LockErrorDetails,
  type LockErrors,
  LockLostError,
  LockReentryError,
  LockTimeoutError,
  LockUnavailableError,
  LockUnsupportedError,
  StaleTokenError,
} from './errors.js';
export { publishEvent } from './events.js';
export { withToJSON } from './json.js';
export { onceAProcess } from './once-a-process.js';
export { systemClock } from './system-clock.js';
export { createLockManager, requireFencing } from './manager/create-lock-manager.js';
export { managerOptionRules } from './manager/resolve-options.js';
export {
  type Instrument,
  type InstrumentKind,
  type InstrumentName,
  lockInstruments,
  type MetricAttributes,
  type MetricSink,
} from './metrics/instruments.js';
export { type LockMeter, type MeterOptions, meterLocks, type OldestWait } from './metrics/meter-locks.js';
