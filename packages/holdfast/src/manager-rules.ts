import { type ManagerOptions, type OptionRule, rule } from '@holdfast/core';

/**
 * The manager's options and what each must be. Core checks them too; here they say which options are the manager's, what
 * a URL may carry, and that one is wrong before anything is opened.
 */
export const managerRules: Readonly<Record<keyof ManagerOptions, OptionRule>> = Object.freeze({
  ttlMs: rule.duration({ min: 1 }),
  waitMs: rule.duration({ infinity: true }),
  renew: rule.boolean,
  maxHoldMs: rule.duration({ min: 1, infinity: true }),
  label: rule.string,
  commandTimeoutMs: rule.duration({ min: 1 }),
  unavailableAfterMs: rule.duration({ infinity: true }),
  onEvent: rule.function,
  clock: rule.object,
});
