import { type OptionRule, rule } from '@holdfast/core';
import type { RedisBackendOptions } from '@holdfast/redis';

export { openBackend } from '@holdfast/redis';

/**
 * The kinds of the options, for the URL and for hints; what exactly they may be is checked by the backend. Without
 * `client`: who has one calls createRedisLockManager.
 */
export const optionRules = {
  prefix: rule.string,
  fair: rule.boolean,
  replicas: rule.object,
  allowEviction: rule.boolean,
  driver: rule.string,
  driverOptions: rule.secret(rule.object),
} satisfies Record<Exclude<keyof RedisBackendOptions, 'client' | 'url'>, OptionRule>;
