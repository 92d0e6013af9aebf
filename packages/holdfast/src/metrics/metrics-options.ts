import { type OptionRule, readOptions, rule } from '@holdfast/core';
import type { LockMetricsOptions } from './create-lock-metrics.js';

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
