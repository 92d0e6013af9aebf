import { type LockManager, type OptionRule, readOptions, rule } from '@holdfast/core';

/** What `createLockMetrics` counts. */
export interface LockMetricsOptions {
  /** The one manager to count. @default every manager of the process */
  readonly manager?: Pick<LockManager, 'id'> | undefined;
  /** The label `lock_group` for a name: 100 values at most, then `other`. @default no such label */
  readonly groupOf?: ((name: string) => string) | undefined;
}

interface ReadOptions {
  readonly managerId: string | null;
  readonly groupOf: ((name: string) => string) | undefined;
}

const OPTIONS: Readonly<Record<keyof LockMetricsOptions, OptionRule>> = { manager: rule.manager, groupOf: rule.function };

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT that names the option and what it must be */
export function readMetricsOptions(options: LockMetricsOptions | undefined): ReadOptions {
  const { manager, groupOf } = readOptions('createLockMetrics', options, OPTIONS);
  return { managerId: manager?.id ?? null, groupOf };
}
