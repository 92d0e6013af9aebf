import type { LockBackend, OptionRule } from '@holdfast/core';

/** What a module must export so that a scheme can name it. */
export interface BackendModule {
  /**
   * Makes a backend. Called once by each `connect`; the backend belongs to that manager, which closes it.
   *
   * @param url what the user gave, without the options that `connect` took out of it
   * @param options the options of `connect` that are not the manager's own, with the names that the user wrote; and of the manager's
   *   those that `optionRules` has too, such as `clock`
   */
  openBackend(url: string, options: Readonly<Record<string, unknown>>): LockBackend | PromiseLike<LockBackend>;
  /**
   * A rule for each option, made with `rule` of `@holdfast/core`. With it `connect` refuses unknown options (naming the
   * near ones), checks values, and lets the URL carry options: `acme://host?tenant=x`. Without it options and the
   * URL's query reach `openBackend` as they were given.
   */
  readonly optionRules?: Readonly<Record<string, OptionRule>> | undefined;
}

/** The functions that no backend can do without. */
const REQUIRED = ['attempt', 'renew', 'release', 'inspect', 'forceRelease', 'checkHealth', 'close'] as const;
const OPTIONAL = ['wait', 'subscribe', 'onLost', 'list', 'partition'] as const;
const FLAGS = ['fencing', 'semaphores', 'readWriteLocks', 'fair', 'push', 'marks', 'list'] as const;

/** What is wrong with what a foreign module's `openBackend` returned; null when it keeps the interface, as far as can be seen. */
export function backendFault(value: unknown): string | null {
  if (typeof value !== 'object' || value === null)
    return `returned ${value === null ? 'null' : `a value of type ${typeof value}`}, not a backend`;
  const backend = value as { readonly [property: string]: unknown };
  if (backend['contract'] !== 1) {
    return `returned a backend with contract ${String(backend['contract'])}; this version of holdfast knows contract 1 only: use versions of both that fit`;
  }
  if (typeof backend['name'] !== 'string' || backend['name'] === '') return 'returned a backend whose name is not a non-empty string';
  const missing = REQUIRED.find((name) => typeof backend[name] !== 'function');
  if (missing !== undefined) return `returned a backend without a ${missing} function`;
  const strange = OPTIONAL.find((name) => backend[name] !== undefined && typeof backend[name] !== 'function');
  if (strange !== undefined) return `returned a backend whose ${strange} is not a function`;
  return capabilitiesFault(backend['capabilities'], backend['marks']);
}

function capabilitiesFault(value: unknown, marks: unknown): string | null {
  if (typeof value !== 'object' || value === null) return 'returned a backend without capabilities';
  const capabilities = value as { readonly [property: string]: unknown };
  const flag = FLAGS.find((name) => typeof capabilities[name] !== 'boolean');
  if (flag !== undefined) return `returned a backend whose capabilities.${flag} is not true or false`;
  if (capabilities['expiry'] !== 'ttl' && capabilities['expiry'] !== 'session') {
    return `returned a backend whose capabilities.expiry is neither 'ttl' nor 'session'`;
  }
  if (capabilities['marks'] === true && (typeof marks !== 'object' || marks === null)) {
    return 'returned a backend that claims capabilities.marks but has no marks';
  }
  return null;
}
