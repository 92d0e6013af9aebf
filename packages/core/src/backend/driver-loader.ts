import { LockUnavailableError } from '../errors.js';

/** A driver: an optional peer that is imported when it is needed. */
export interface DriverSource<D> {
  /** Of the backend. */
  readonly backend: string;
  /** The driver's package. */
  readonly driver: string;
  /** A literal `import()` of it, for bundlers to see. */
  readonly load: () => Promise<unknown>;
  /** Whether this is the driver: the module, or its default export. */
  readonly isDriver: (candidate: unknown) => candidate is D;
}

/**
 * Loads a driver when it is first asked for, once. A failure is remembered as well: in a bundle a second import of a module that
 * threw answers the remains of it, without an error, and the reason would be lost.
 *
 * The reason is in the message and the `cause`; in a bundle it is often the only thing that says what the bundler did.
 *
 * @returns a function that rejects with LockUnavailableError, `retryable: false` and `wasSent: false`, when the driver is missing, fails or is another one
 */
export function driverLoader<D>(source: DriverSource<D>): () => Promise<D> {
  let loading: Promise<D> | null = null;
  return () => (loading ??= loadDriver(source));
}

const missing = new WeakSet<object>();

/** Whether a driver's loader rejected because its package is not installed, and not because the package fails. */
export function isDriverMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && missing.has(error);
}

async function loadDriver<D>({ backend, driver, load, isDriver }: DriverSource<D>): Promise<D> {
  const failure = (why: string, cause?: unknown): LockUnavailableError =>
    new LockUnavailableError(`${backend}: the driver ${driver} ${why}`, { backend, retryable: false, wasSent: false, cause });
  const module = await load().catch((reason: unknown) => {
    const [line = ''] = (reason instanceof Error ? reason.message : String(reason)).split('\n');
    if (!isMissing(driver, reason)) throw failure(`could not be loaded: ${line}`, reason);
    const absent = failure(`is not installed; run: npm install ${driver}`, reason);
    missing.add(absent);
    throw absent;
  });
  // A CommonJS module is its `default`: its exports by name are copies, and some cannot be seen by name.
  const found = [(module as { readonly default?: unknown } | null | undefined)?.default, module].find(isDriver);
  if (found === undefined) throw failure('is of a version that Holdfast does not know, or a bundler has left something out of it');
  return found;
}

/** Not when it is there, and something that it needs is missing: Node's code is the same. */
function isMissing(driver: string, reason: unknown): boolean {
  const { code, message } = (reason ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  // What esbuild puts into a bundle in place of a package that it has not found.
  if (String(message).startsWith(`Could not resolve "${driver}" `)) return true;
  const isNotFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return isNotFound && /^[^']*'([^']*)'/.exec(String(message))?.[1] === driver;
}
