import { findMaster } from '../find-master.js';
import type { RedisAddress, RedisPort } from '../redis-port.js';
import type { RedisTarget } from '../redis-url.js';
import type { GlideFactory } from './glide-client.js';
import { GlideClusterPort } from './glide-cluster-port.js';
import { STATIC } from './glide-connection.js';
import { GlidePort } from './glide-port.js';

type Options = Readonly<Record<string, unknown>>;

/** What is used of the module `@valkey/valkey-glide`. */
export interface GlideModule {
  readonly GlideClient: GlideFactory;
  readonly GlideClusterClient: GlideFactory;
}

/** Whether a module is GLIDE. */
export function isGlideModule(candidate: unknown): candidate is GlideModule {
  const module = candidate as Readonly<Record<string, Partial<GlideFactory> | undefined>> | null | undefined;
  return ['GlideClient', 'GlideClusterClient'].every((name) => typeof module?.[name]?.createClient === 'function');
}

/** Makes a client that begins to connect. */
export function openGlide(module: GlideModule, target: RedisTarget, driverOptions: Options): Promise<RedisPort> | RedisPort {
  const { hosts, tls, username, password, db, masterName, kind } = target;
  const { sentinelUsername, sentinelPassword, ...given } = driverOptions;
  const settings = (addresses: readonly RedisAddress[], user: unknown, word: unknown): Options => ({
    addresses: addresses.map(({ host, port }) => ({ host, port })),
    ...(tls ? { useTLS: true } : {}),
    ...(typeof word === 'string' ? { credentials: { ...(typeof user === 'string' ? { username: user } : {}), password: word } } : {}),
    ...given,
  });
  if (kind === 'cluster') return GlideClusterPort.open(module.GlideClusterClient, settings(hosts, username, password));
  const open = (address: RedisAddress): RedisPort =>
    GlidePort.open(module.GlideClient, { databaseId: db, ...settings([address], username, password) });
  if (kind === 'standalone') return open(hosts[0]);
  return findMaster({
    sentinels: hosts,
    masterName: masterName ?? '',
    // A sentinel has no role that GLIDE knows.
    openSentinel: (address) =>
      GlidePort.open(module.GlideClient, { nodeDiscoveryMode: STATIC, ...settings([address], sentinelUsername, sentinelPassword) }),
    openServer: open,
  });
}
