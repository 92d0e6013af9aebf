export type { MemoryStore, MemoryStoreOptions, StoreCallKind } from '../memory/memory-store.js';
export { createManualClock, type ManualClock, type ManualClockOptions } from './manual-clock.js';
export { type CallFilter, createTestMemoryStore, type InjectedFault, type StalledCall, type TestMemoryStore } from './test-memory-store.js';
