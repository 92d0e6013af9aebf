import { LockUnavailableError } from '@holdfast/core';
import { type DriverSource, driverLoader, isDriverMissing } from '@holdfast/core/backend';
import { GLIDE } from './glide/glide-port.js';
import { isGlideModule, openGlide } from './glide/open-glide.js';
import { IoredisPort } from './ioredis/ioredis-port.js';
import { isIoredis, openIoredis } from './ioredis/open-ioredis.js';
import { isNodeRedis, openNodeRedis } from './node-redis/open-node-redis.js';
import type { RedisPort } from './redis-port.js';
import type { RedisTarget } from './redis-url.js';

/** A package that connections of our own can be made with. */
export type RedisDriver = 'ioredis' | 'redis' | 'iovalkey' | '@valkey/valkey-glide';

type OpenTarget = (target: RedisTarget, driverOptions: Readonly<Record<string, unknown>>) => Promise<RedisPort> | RedisPort;
type Load = () => Promise<OpenTarget>;

function loader<D>(name: RedisDriver, source: Pick<DriverSource<D>, 'load' | 'isDriver'>, opening: (module: D) => OpenTarget): Load {
  const load = driverLoader<D>({ backend: 'redis', driver: name, ...source });
  return async () => opening(await load());
}

/** In the order in which they are looked for: a driver that is installed beside another never changes a service that runs. */
const loaders: Readonly<Record<RedisDriver, Load>> = {
  ioredis: loader(
    'ioredis',
    { load: () => import('ioredis'), isDriver: isIoredis },
    (module) => (target, options) => new IoredisPort(openIoredis(module, target, options), true),
  ),
  redis: loader(
    'redis',
    { load: () => import('redis'), isDriver: isNodeRedis },
    (module) => (target, options) => openNodeRedis(module, target, options),
  ),
  iovalkey: loader(
    'iovalkey',
    { load: () => import('iovalkey'), isDriver: isIoredis },
    (module) => (target, options) => new IoredisPort(openIoredis(module, target, options), true, 'iovalkey'),
  ),
  [GLIDE]: loader(
    GLIDE,
    // By its constant: its native parts cannot be bundled, so bundlers are to leave it alone, also where another driver is used.
    { load: () => import(/* webpackIgnore: true */ GLIDE), isDriver: isGlideModule },
    (module) => (target, options) => openGlide(module, target, options),
  ),
};

/** The names of the drivers, in the order in which they are looked for. */
export const driverNames = Object.keys(loaders) as readonly RedisDriver[];

/**
 * Makes a connection that begins to connect.
 *
 * @param driver null: the first that is installed
 * @throws LockUnavailableError `retryable: false` when the driver, or every one, is not installed
 */
export async function openDriver(
  target: RedisTarget,
  driver: RedisDriver | null,
  driverOptions: Readonly<Record<string, unknown>>,
): Promise<RedisPort> {
  const open = driver === null ? await firstInstalled() : await loaders[driver]();
  return open(target, driverOptions);
}

async function firstInstalled(): Promise<OpenTarget> {
  let missing: unknown;
  for (const name of driverNames) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      return await loaders[name]();
    } catch (error) {
      // One that is there and fails is not passed over: another may behave otherwise.
      if (!isDriverMissing(error)) throw error;
      missing ??= error;
    }
  }
  throw new LockUnavailableError(`redis: none of the drivers ${driverNames.join(', ')} is installed; run: npm install ${driverNames[0]}`, {
    backend: 'redis',
    retryable: false,
    wasSent: false,
    cause: missing instanceof Error ? missing.cause : undefined,
  });
}
