import {
  checkOptions,
  createLockManager,
  isLockError,
  LockArgumentError,
  type LockBackend,
  type LockManager,
  LockUnavailableError,
  LockUnsupportedError,
  type ManagerOptions,
  rule,
} from '@holdfast/core';
import { type BackendModule, backendFault } from './backend-module.js';
import type {
  ConnectConfig,
  ConnectOptions,
  CustomConnectConfig,
  CustomConnectOptions,
  RequiredToken,
  Requirement,
} from './connect-options.js';
import { loadBackendModule } from './load-backend-module.js';
import { managerRules } from './manager-rules.js';
import { redactUrl, scrubUrl } from './redact-url.js';
import { findScheme } from './schemes.js';
import { combine, type Settings, settingsOf } from './settings.js';
import { takeUrlOptions } from './url-options.js';

const WHERE = 'connect';

/**
 * Opens the store that a URL names and returns a lock manager on it, once the store has answered.
 *
 * - `memory:` locks between the tasks of this process;
 * - `redis://`, `rediss://`, `redis+cluster://`, `rediss+cluster://`, `redis+sentinel://`, `rediss+sentinel://`: see `@holdfast/redis`;
 * - any other scheme by `schemes`.
 *
 * Options may also stand in the URL (`redis://host?prefix=app:&ttlMs=10000`), so that one environment variable can carry
 * all; each may be given once. Without a URL the environment variable HOLDFAST_URL is read. There is no default: a lock
 * that turned out to hold in one process only would be worse than none.
 *
 * Whatever fails, nothing stays open, and no message shows a password.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a malformed URL, an unknown scheme, an unknown or wrong option, a
 *   module that is no backend
 * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when a module or driver is missing (`retryable: false`), or the
 *   store did not answer, or refused
 * @throws LockUnsupportedError LOCK_UNSUPPORTED when the backend has not what `require` asks for
 */
export function connect<const R extends readonly Requirement[] = []>(config: ConnectConfig<R>): Promise<LockManager<RequiredToken<R>>>;
export function connect<const R extends readonly Requirement[] = []>(
  config: CustomConnectConfig<R>,
): Promise<LockManager<RequiredToken<R>>>;
export function connect<const R extends readonly Requirement[] = []>(
  urlOrConfig: string | ConnectConfig | undefined,
  options: CustomConnectOptions<R>,
): Promise<LockManager<RequiredToken<R>>>;
// The most general one last: compilers explain a call that fits none by it.
export function connect<const R extends readonly Requirement[] = []>(
  urlOrConfig?: string | ConnectConfig,
  options?: ConnectOptions<R>,
): Promise<LockManager<RequiredToken<R>>>;
export async function connect(urlOrConfig?: string | ConnectConfig, options?: ConnectOptions): Promise<LockManager> {
  const settings = settingsOf(WHERE, urlOrConfig, options);
  const { scheme, source } = findScheme(WHERE, settings.url, settings.schemes);
  const module = await loadBackendModule(WHERE, scheme, source);
  const { backend, managerOptions } = await openBackend(module, scheme, settings);
  return await startManager(backend, managerOptions, settings);
}

async function openBackend(
  module: BackendModule,
  scheme: string,
  settings: Settings,
): Promise<{ readonly backend: LockBackend; readonly managerOptions: ManagerOptions }> {
  let { url, options } = settings;
  if (module.optionRules !== undefined) {
    const rules = { ...module.optionRules, ...managerRules };
    // connect's own two are not among the options any more; here they are what others may be meant to be.
    checkOptions(WHERE, options, { ...rules, require: rule.array, schemes: rule.object });
    const taken = takeUrlOptions(WHERE, url, rules);
    url = taken.url;
    options = combine(WHERE, [options, taken.options], 'the URL and in the options');
  }
  const isManagers = (key: string): boolean => Object.hasOwn(managerRules, key);
  const own = Object.fromEntries(Object.entries(options).filter(([key]) => !isManagers(key)));
  const managerOptions = Object.fromEntries(Object.entries(options).filter(([key]) => isManagers(key))) as ManagerOptions;
  checkOptions(WHERE, managerOptions, managerRules);

  let backend: unknown;
  try {
    backend = await module.openBackend(url, own);
  } catch (error) {
    throw presentable(error, settings.url);
  }
  const fault = backendFault(backend);
  if (fault === null) return { backend: backend as LockBackend, managerOptions };
  await closeQuietly(backend);
  throw new LockArgumentError(`${WHERE}: the module of the scheme ${scheme} ${fault}`, { option: 'schemes' });
}

async function startManager(backend: LockBackend, managerOptions: ManagerOptions, { url, require }: Settings): Promise<LockManager> {
  let manager: LockManager | undefined;
  try {
    const missing = require.find((capability) => backend.capabilities[capability] !== true);
    if (missing !== undefined) {
      throw new LockUnsupportedError(
        `${WHERE}: ${missing} is required and the backend ${backend.name} (${redactUrl(url)}) has none; choose another store or drop the requirement`,
        { capability: missing, backend: backend.name },
      );
    }
    manager = createLockManager(backend, managerOptions);
    const health = await manager.checkHealth();
    if (health.ok) return manager;
    throw health.error;
  } catch (error) {
    await closeQuietly(manager ?? backend);
    throw presentable(error, url);
  }
}

/** The first contact's failure says which store it was; what a foreign module threw is told without what the URL hides. */
function presentable(error: unknown, url: string): unknown {
  if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) {
    // The backend's own name in front of its message says nothing beside the URL.
    const reason = error.message.startsWith(`${error.backend}: `) ? error.message.slice(`${error.backend}: `.length) : error.message;
    const message = `${WHERE}: ${redactUrl(url)}: ${scrubUrl(reason, url)}`;
    const cause = error.cause instanceof Error ? new Error(scrubUrl(error.cause.message, url)) : undefined;
    return new LockUnavailableError(message, { backend: error.backend, retryable: error.retryable, cause });
  }
  if (isLockError(error)) return error;
  const message = `${WHERE}: ${redactUrl(url)}: ${scrubUrl(error instanceof Error ? error.message : String(error), url)}`;
  // Not as the cause: Node's own ERR_INVALID_URL carries the whole URL.
  return new LockUnavailableError(message, { retryable: false });
}

async function closeQuietly(opened: unknown): Promise<void> {
  try {
    await (opened as { close?: () => unknown } | null)?.close?.();
  } catch {
    // The failure that led here is the one to tell.
  }
}
