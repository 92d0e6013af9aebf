import type { LockManager } from '@holdfast/core';
import type {
  ConnectConfig,
  ConnectOptions,
  CustomConnectConfig,
  CustomConnectOptions,
  RequiredToken,
  Requirement,
} from './connect-options.js';
import { closeQuietly } from './open-backend.js';
import { openManager } from './open-manager.js';
import { settingsOf } from './settings.js';

const WHERE = 'connect';

/**
 * Opens the store that a URL names and returns a lock manager on it, once the store has answered: within three times
 * `commandTimeoutMs` (6 s), or it is closed again, which may take one more, and the call rejects.
 *
 * - `memory:` locks between the tasks of this process;
 * - `redis://`, `rediss://`, `redis+cluster://`, `rediss+cluster://`, `redis+sentinel://`, `rediss+sentinel://`: see `@holdfast/redis`;
 * - `redlock://host:port,host:port,host:port`, `redlocks://` over TLS: see `@holdfast/redlock`;
 * - `postgres://`, `postgresql://`: see `@holdfast/postgres`;
 * - `zookeeper://`: see `@holdfast/zookeeper`;
 * - any other scheme by `schemes`.
 *
 * Options may also stand in the URL (`redis://host?prefix=app:&ttlMs=10000`), so that one environment variable can carry
 * all; each may be given once. Without a URL the environment variable HOLDFAST_URL is read, or the file that HOLDFAST_URL_FILE names; the
 * password may stand in HOLDFAST_PASSWORD, or in the file of HOLDFAST_PASSWORD_FILE. There is no default: locks
 * in memory would exclude no other process, and nobody would notice.
 *
 * Whatever fails, nothing stays open, and no message shows a password.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a malformed URL, an unknown scheme, an unknown or wrong option, a
 *   module that is no backend
 * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when a module or driver is missing (`retryable: false`), or the
 *   store did not answer, or refused
 * @throws LockUnsupportedError LOCK_UNSUPPORTED when the backend lacks what `require` asks for
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 *
 * const locks = await connect('redis://localhost:6379', { waitMs: 2_000 });
 * await locks.withLock('invoice:42', async (lease) => {
 *   await fetch('data:,bill+invoice+42', { signal: lease.signal });
 * });
 * await locks.close();
 * ```
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
  const { manager, health } = await openManager(WHERE, settingsOf(WHERE, urlOrConfig, options));
  if (health.ok) return manager;
  await closeQuietly(manager);
  throw health.error;
}
