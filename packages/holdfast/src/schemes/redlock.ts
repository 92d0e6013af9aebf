import { type OptionRule, rule } from '@holdfast/core';
import type { RedlockBackendOptions } from '@holdfast/redlock';

export { initializeNodes, lookAtNodes, nodeUrls, openBackend } from '@holdfast/redlock';

/** The kinds of the options, for the URL and for hints; what exactly they may be is checked by the backend. */
export const optionRules = {
  quorum: rule.integer(1),
  maxTtlMs: rule.duration({ min: 1000 }),
  driftFactor: (value) => (Number.isFinite(Number(value)) ? null : 'must be a number'),
  nodeTimeoutMs: rule.duration({ min: 1 }),
  prefix: rule.string,
  allowEviction: rule.boolean,
  driver: rule.string,
  driverOptions: rule.secret(rule.object),
} satisfies Record<Exclude<keyof RedlockBackendOptions, 'clients' | 'urls'>, OptionRule>;
