import { LockUnavailableError } from '../errors.js';

/**
 * Why a driver, an optional peer that is imported when it is needed, could not be loaded. The reason is in the message and
 * the `cause`: in a bundle it is often the only thing that says what the bundler did.
 *
 * @param driver its package
 * @param reason what the import threw
 */
export function driverError(backend: string, driver: string, reason: unknown): LockUnavailableError {
  const [line = ''] = (reason instanceof Error ? reason.message : String(reason)).split('\n');
  const why = isMissing(driver, reason) ? `is not installed; run: npm install ${driver}` : `could not be loaded: ${line}`;
  return new LockUnavailableError(`${backend}: the driver ${driver} ${why}`, { backend, retryable: false, cause: reason });
}

/** Not when it is there, and something that it needs is missing: Node's code is the same. */
function isMissing(driver: string, reason: unknown): boolean {
  const { code, message } = (reason ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  const isNotFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return isNotFound && /^[^']*'([^']*)'/.exec(String(message))?.[1] === driver;
}
