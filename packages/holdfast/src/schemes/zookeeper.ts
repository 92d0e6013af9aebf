import { type OptionRule, rule } from '@holdfast/core';
import type { ZooKeeperBackendOptions } from '@holdfast/zookeeper';

export { openBackend } from '@holdfast/zookeeper';

/** The kinds of the options, for the URL and for hints; what exactly they may be is checked by the backend. */
export const optionRules = {
  sessionTimeoutMs: rule.duration({ min: 100 }),
  root: rule.string,
  auth: rule.secret(rule.object),
  // A list too, but not in a URL.
  acl: (value) => (typeof value === 'string' ? rule.oneOf('open', 'creator')(value) : rule.array(value)),
  clock: rule.object,
} satisfies Record<Exclude<keyof ZooKeeperBackendOptions, 'connectionString'>, OptionRule>;
