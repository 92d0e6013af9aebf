import {
  type AnyLockError,
  createLockManager,
  type HealthReport,
  isLockError,
  type LockBackend,
  type LockManager,
  LockUnavailableError,
  LockUnsupportedError,
  MAX_DURATION_MS,
} from '@holdfast/core';
import { closeQuietly, openBackend, presentable } from './open-backend.js';
import { redactUrl } from './redact-url.js';
import type { Settings } from './settings.js';

/** Before the first command there is a driver to load and a connection to make, so it may take as long as this many. */
const FIRST_CONTACT_COMMANDS = 3;
const DEFAULT_COMMAND_TIMEOUT_MS = 2_000;

/** A manager and what came of its first contact with the store; the one who does not use it closes it. */
export interface OpenedManager {
  readonly manager: LockManager;
  readonly health: HealthReport;
}

/** Opens the store and makes first contact. @throws the errors of `connect`, but for those of first contact */
export async function openManager(where: string, settings: Settings): Promise<OpenedManager> {
  const { backend, managerOptions } = await openBackend(where, settings);
  let manager: LockManager | undefined;
  try {
    refuseLacking(where, backend, settings);
    manager = createLockManager(backend, managerOptions);
    const timeoutMs = Math.min((managerOptions.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS) * FIRST_CONTACT_COMMANDS, MAX_DURATION_MS);
    const health = await manager.checkHealth({ timeoutMs });
    return { manager, health: health.ok ? health : { ...health, error: presentable(where, withAdvice(health.error), settings) } };
  } catch (error) {
    await closeQuietly(manager ?? backend);
    throw presentable(where, error, settings);
  }
}

/** At the first contact it is as often the URL that is wrong as the server that is down, and a silence does not say which. */
function withAdvice(error: AnyLockError): AnyLockError {
  const isSilence = /did not answer|no server answered|could not be reached|connection (?:is closed|was lost|failed)/.test(error.message);
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') || !error.retryable || !isSilence) return error;
  // The driver comes last, behind the advice.
  const reason = error.message.replace(/ \(driver: [^)]*\)$/, '');
  const message = `${reason}; see whether the server runs, and whether host, port and scheme (TLS or not) of the URL are correct`;
  return new LockUnavailableError(message, { backend: error.backend, driver: error.driver, retryable: true, cause: error.cause });
}

function refuseLacking(where: string, backend: LockBackend, { url, require }: Settings): void {
  const missing = require.find((capability) => backend.capabilities[capability] !== true);
  if (missing === undefined) return;
  throw new LockUnsupportedError(
    `${where}: ${missing} is required and the backend ${backend.name} (${redactUrl(url)}) has none; choose another store or drop the requirement`,
    { capability: missing, backend: backend.name },
  );
}
