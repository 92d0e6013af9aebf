import {
  type AnyLockError,
  isLockError,
  LockArgumentError,
  type LockBackend,
  LockUnavailableError,
  type ManagerOptions,
  managerOptionRules,
  pickOptions,
  readOptions,
  rule,
} from '@holdfast/core';
import { backendFault } from './backend-module.js';
import { loadBackendModule } from './load-backend-module.js';
import { combine, openOrKnown } from './option-snapshot.js';
import { redactUrl, scrubFailure, scrubUrl } from './redact-url.js';
import { findScheme, isBuiltIn } from './schemes.js';
import type { Settings } from './settings.js';
import { takeUrlOptions } from './url-options.js';

/** A backend that nobody has made contact with yet, and what the settings say to its manager. */
export interface OpenedBackend {
  readonly backend: LockBackend;
  readonly managerOptions: ManagerOptions;
}

/** Loads the module of the URL's scheme and makes its backend. @throws the errors of `connect`, but for those of first contact */
export async function openBackend(where: string, settings: Settings): Promise<OpenedBackend> {
  const { scheme, source } = findScheme(where, settings.url, settings.schemes);
  const module = await loadBackendModule(where, scheme, source);
  const rules = { ...module.optionRules, ...managerOptionRules };
  let { url } = settings;
  let options = openOrKnown(settings.options, (key) => Object.hasOwn(rules, key));
  if (module.optionRules !== undefined) {
    refuseClients(where, options, rules);
    // connect's own two are not among the options any more; here they are what others may be meant to be.
    options = readOptions(where, options, { ...rules, require: rule.array, schemes: rule.object });
    const taken = takeUrlOptions(where, url, rules);
    url = taken.url;
    options = combine(where, [options, taken.options], 'the URL and in the options');
  }
  const managerOptions = readOptions<ManagerOptions>(where, pickOptions(options, managerOptionRules), managerOptionRules);
  // A clock is the manager's, and of a backend that keeps time by itself too.
  const isOwn = (key: string): boolean => !Object.hasOwn(managerOptionRules, key) || Object.hasOwn(module.optionRules ?? {}, key);
  const own = Object.fromEntries(Object.entries(options).filter(([key]) => isOwn(key)));

  let backend: unknown;
  try {
    backend = await module.openBackend(url, own);
  } catch (error) {
    throw presentable(where, error, settings);
  }
  const fault = backendFault(backend);
  if (fault === null) return { backend: backend as LockBackend, managerOptions };
  await closeQuietly(backend);
  throw new LockArgumentError(`${where}: the module of the scheme ${scheme} ${fault}`, { option: 'schemes' });
}

/** What the factories of the backends take, and `connect` does not: it makes its own connections. */
const FACTORIES: Readonly<Record<string, string>> = {
  client: 'createRedisLockManager({ client }) from holdfast/redis',
  clients: 'createRedlockLockManager({ clients }) from holdfast/redlock',
  pool: 'createPostgresLockManager({ pool }) from holdfast/postgres',
};

function refuseClients(where: string, options: Readonly<Record<string, unknown>>, rules: Readonly<Record<string, unknown>>): void {
  for (const [option, factory] of Object.entries(FACTORIES)) {
    if (options[option] === undefined || Object.hasOwn(rules, option)) continue;
    throw new LockArgumentError(`${where}: ${option} is no option here, where connections are made from the URL; call ${factory}`, {
      option,
    });
  }
}

/**
 * The first contact's failure says which store it was. What a foreign module threw is reported without what the URL hides; our own
 * backends put their messages together anew, and those words are nobody's secret.
 */
export function presentable(where: string, error: unknown, { url, schemes }: Pick<Settings, 'url' | 'schemes'>): AnyLockError {
  const isOurs = isBuiltIn(url, schemes);
  if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) {
    // The backend's own name in front of its message says nothing beside the URL.
    const reason = error.message.startsWith(`${error.backend}: `) ? error.message.slice(`${error.backend}: `.length) : error.message;
    const message = `${where}: ${redactUrl(url)}: ${scrubFailure(reason, url, isOurs)}`;
    const isSafe = isOurs && message.endsWith(reason);
    const cause = isSafe || !(error.cause instanceof Error) ? error.cause : new Error(scrubUrl(error.cause.message, url));
    return new LockUnavailableError(message, { backend: error.backend, driver: error.driver, retryable: error.retryable, cause });
  }
  if (isLockError(error, 'LOCK_INVALID_ARGUMENT') && !isOurs) {
    return new LockArgumentError(scrubUrl(error.message, url), { option: error.option, backend: error.backend });
  }
  if (isLockError(error)) return error;
  const message = `${where}: ${redactUrl(url)}: ${scrubUrl(error instanceof Error ? error.message : String(error), url)}`;
  // Not as the cause: Node's own ERR_INVALID_URL carries the whole URL.
  return new LockUnavailableError(message, { retryable: false });
}

/** Closes what did not get as far as being used. */
export async function closeQuietly(opened: unknown): Promise<void> {
  try {
    await (opened as { close?: () => unknown } | null)?.close?.();
  } catch {
    // The failure that led here is the one to tell.
  }
}
