import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type CallContext, type LockBackend, systemClock } from '@holdfast/core';

const DRIVERS: Readonly<Record<string, string>> = {
  redis: 'ioredis',
  redlock: 'ioredis',
  postgres: 'pg',
  zookeeper: 'node-zookeeper-client',
};
/** How long the servers may take to say their versions. */
const LOOK_MS = 5_000;

/**
 * The versions for a report: of the driver by its package, of each server by its address. What cannot be seen is left out.
 *
 * @param driver the driver that the configuration names, else null
 */
export async function storeVersions(backend: LockBackend, driver: string | null): Promise<Readonly<Record<string, string>>> {
  const name = driver ?? DRIVERS[backend.name] ?? null;
  const version = name === null ? null : versionOf(name);
  const call: CallContext = { timeoutMs: LOOK_MS, signal: AbortSignal.timeout(LOOK_MS), clock: systemClock };
  const findings = (await backend.examine?.(call)) ?? [];
  const servers = findings.filter(({ about, status }) => about === 'version' && status !== 'unseen');
  return {
    ...(name === null || version === null ? {} : { [name]: version }),
    ...Object.fromEntries(servers.map(({ server, found }) => [server, found])),
  };
}

/** Of an installed package; null where its package.json cannot be reached. */
function versionOf(name: string): string | null {
  try {
    const manifest = JSON.parse(readFileSync(createRequire(import.meta.url).resolve(`${name}/package.json`), 'utf8')) as {
      version?: unknown;
    };
    return typeof manifest.version === 'string' ? manifest.version : null;
  } catch {
    return null;
  }
}
