import { LockArgumentError } from '@holdfast/core';

interface ReadOptions {
  readonly managerId: string | null;
  readonly groupOf: ((name: string) => string) | undefined;
}

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT that names the option and what it must be */
export function readMetricsOptions(options: unknown): ReadOptions {
  const given = options ?? {};
  if (typeof given !== 'object') throw refuse('options', 'must be an object');
  const { manager, groupOf, ...rest } = given as { readonly manager?: unknown; readonly groupOf?: unknown };
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw refuse(unknown, 'is no option; known are manager and groupOf');
  if (groupOf !== undefined && typeof groupOf !== 'function') throw refuse('groupOf', 'must be a function');
  return { managerId: manager === undefined ? null : idOf(manager), groupOf: groupOf as ReadOptions['groupOf'] };
}

function idOf(manager: unknown): string {
  const id: unknown = typeof manager === 'object' && manager !== null && 'id' in manager ? manager.id : undefined;
  if (typeof id !== 'string') throw refuse('manager', 'must be a lock manager');
  return id;
}

function refuse(option: string, rule: string): LockArgumentError {
  return new LockArgumentError(`createLockMetrics: ${option} ${rule}`, { option });
}
