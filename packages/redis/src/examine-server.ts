import type { Clock, Finding } from '@holdfast/core';
import { clockLook, fine, harmful, type Look, unseen } from '@holdfast/core/backend';
import { missingRights } from './missing-rights.js';
import { type RedisPort, serversOf } from './redis-port.js';
import { askPermitted, settingOf } from './server-settings.js';

/** What an operator should know of a Redis server, or of each master of a cluster. Reads only. */
export async function examineServers(port: RedisPort, clock: Clock): Promise<readonly Finding[]> {
  const seen = await Promise.all(serversOf(port).map((server) => examineServer(server, clock)));
  const rights = (await missingRights(port)).map(({ node, problem }) => ({
    server: node,
    ...unseen('rights', problem ?? '', 'grant the permission, as the least ACL of @holdfast/redis has it'),
  }));
  return [...seen.flat(), ...rights];
}

async function examineServer(server: RedisPort, clock: Clock): Promise<readonly Finding[]> {
  const info = await askPermitted(server, 'INFO');
  const of = (name: string): string | null =>
    typeof info === 'string' ? (new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? null) : null;
  const setting = (name: string): Promise<string | null> => settingOf(server, name);
  const looks: readonly Look[] = [
    version(of('redis_version'), of('valkey_version')),
    eviction(of('maxmemory_policy') ?? (await setting('maxmemory-policy')), of('maxmemory')),
    persistence(of('aof_enabled'), await setting('appendfsync'), await setting('save')),
    role(of('role')),
    replicas(Number(of('connected_slaves') ?? Number.NaN), await setting('min-replicas-to-write')),
    idleTimeout(await setting('timeout')),
    await clockOffset(server, clock),
  ];
  const { address } = server;
  const name = address === null || address === undefined ? 'redis' : `${address.host}:${address.port}`;
  return looks.map((look) => ({ server: name, ...look }));
}

function version(redis: string | null, valkey: string | null): Look {
  const about = 'version';
  if (redis === null) return forbidden(about, 'INFO', 'it decides which commands there are');
  const [major = 0, minor = 0] = redis.split('.').map(Number);
  const found = valkey === null ? `Redis ${redis}` : `Valkey ${valkey}`;
  return major > 6 || (major === 6 && minor >= 2) ? fine(about, found) : harmful(about, found, 'use Redis 6.2 or later');
}

function eviction(policy: string | null, maxmemory: string | null): Look {
  const about = 'maxmemory-policy';
  if (policy === null) return forbidden(about, 'INFO', 'another policy than noeviction drops locks that are held');
  if (policy === 'noeviction') return fine(about, policy);
  const limit = maxmemory === '0' ? ' (without a limit of memory as yet)' : '';
  return harmful(about, `${policy}${limit}`, 'set it to noeviction: by this one the server may drop locks that are held');
}

function persistence(aof: string | null, fsync: string | null, save: string | null): Look {
  const about = 'persistence';
  if (aof === null) return forbidden(about, 'INFO', 'a server that keeps nothing forgets all locks and tokens when it restarts');
  if (aof === '1') {
    if (fsync === null || fsync === 'always') return fine(about, `appendonly yes${fsync === null ? '' : ', appendfsync always'}`);
    return harmful(
      about,
      `appendonly yes, appendfsync ${fsync}`,
      'a crash forgets the locks of the last second or more: set appendfsync always where they must survive, else leave it and rely on fencing tokens',
    );
  }
  const found = save === null || save === '' ? 'nothing is persisted' : `snapshots only (save ${save})`;
  return harmful(about, found, 'set appendonly yes: a restart forgets locks that are held, and the fencing tokens that were given');
}

function role(found: string | null): Look {
  const about = 'role';
  if (found === null) return forbidden(about, 'INFO', 'only a master takes locks');
  return found === 'master' ? fine(about, found) : harmful(about, found, 'connect to the master: a replica takes no locks');
}

function replicas(count: number, minimum: string | null): Look {
  const about = 'replicas';
  if (Number.isNaN(count)) return forbidden(about, 'INFO', 'a fail-over to a replica may forget the last locks');
  if (count === 0) return fine(about, 'none: no fail-over forgets a lock');
  if (minimum === null) return forbidden('min-replicas-to-write', 'CONFIG GET', 'without it a master that was cut off goes on granting');
  if (Number(minimum) > 0) return fine(about, `${count}, min-replicas-to-write ${minimum}`);
  return harmful(
    about,
    `${count}, min-replicas-to-write 0`,
    'set min-replicas-to-write 1: a master that was cut off from its replicas goes on granting locks that the next master knows nothing of',
  );
}

function idleTimeout(seconds: string | null): Look {
  const about = 'timeout';
  if (seconds === null) return forbidden(about, 'CONFIG GET', 'the server may end idle connections');
  if (Number(seconds) === 0 || Number(seconds) >= 60) return fine(about, `${seconds} s`);
  const advice = 'set it to 0: idle connections are ended and made again all the time, and messages are missed meanwhile';
  return harmful(about, `${seconds} s`, advice);
}

async function clockOffset(server: RedisPort, clock: Clock): Promise<Look> {
  const before = clock.wall();
  const time = await askPermitted(server, 'TIME');
  const now = (before + clock.wall()) / 2;
  if (!Array.isArray(time)) return forbidden('clock', 'TIME', 'how far its clock is off');
  return clockLook(
    Math.round(Number(time[0]) * 1_000 + Number(time[1]) / 1_000 - now),
    'let both machines set their clocks by NTP: locks expire by the clock of the server, but tokens of several stores begin at it',
  );
}

function forbidden(about: string, command: string, why: string): Look {
  return unseen(about, `the user has no permission for ${command}`, `allow ${command}, or look yourself: ${why}`);
}
