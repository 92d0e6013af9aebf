import { isLockError, LockArgumentError, LockUnavailableError } from '@holdfast/core';
import type { BackendModule } from './backend-module.js';
import { importModule, ModuleMissingError } from './import-module.js';
import { loadInTime } from './load-in-time.js';
import { nameOf, type SchemeSource } from './schemes.js';

/**
 * Gets the module that serves a scheme.
 *
 * @throws LockUnavailableError `retryable: false` when it is missing or fails to load
 * @throws LockArgumentError when it is no backend's module
 */
export async function loadBackendModule(where: string, scheme: string, source: SchemeSource): Promise<BackendModule> {
  const given = nameOf(source);
  const name = given ?? `the module of the scheme ${scheme}`;
  let loaded: unknown;
  try {
    loaded = await loadInTime<unknown>(() => (typeof source === 'string' ? importModule(source) : source()));
  } catch (error) {
    if (isLockError(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof ModuleMissingError) && !isNotFound(error)) {
      throw new LockUnavailableError(`${where}: ${name} failed to load: ${reason}`, { cause: error, retryable: false });
    }
    const advice =
      given !== null && !/^[./]|^file:/.test(given) ? `install it: npm install ${given}` : 'check its path, and install what it needs';
    throw new LockUnavailableError(`${where}: ${name} was not found; ${advice} (${reason})`, { cause: error, retryable: false });
  }
  // A CommonJS module whose exports Node cannot see by name has them on `default`.
  const module = [loaded, (loaded as { default?: unknown } | null | undefined)?.default].find(
    (candidate): candidate is BackendModule => typeof (candidate as Partial<BackendModule> | null | undefined)?.openBackend === 'function',
  );
  if (module === undefined) {
    throw new LockArgumentError(`${where}: ${name} exports no function openBackend(url, options), so it cannot serve ${scheme}:`, {
      option: 'schemes',
    });
  }
  return module;
}

/** By `import`, or by `require`, of a module that is not there, or needs one that is not. */
function isNotFound(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
}
