import type { Clock, Finding } from '@holdfast/core';
import { missingRights } from './missing-rights.js';
import { type RedisPort, serversOf } from './redis-port.js';
import { askPermitted, settingOf } from './server-settings.js';

/** A clock that is so far off still orders nothing wrongly here, but tokens and marks of several stores compare badly. */
const MOST_OFFSET_MS = 1_000;

type Look = Omit<Finding, 'server'>;

/** What an operator should know of a Redis server, or of each master of a cluster. Reads only. */
export async function examineServers(port: RedisPort, clock: Clock): Promise<readonly Finding[]> {
  const seen = await Promise.all(serversOf(port).map((server) => examineServer(server, clock)));
  const rights = (await missingRights(port)).map(({ node, problem }) => ({
    server: node,
    about: 'rights',
    status: 'unseen' as const,
    found: problem ?? '',
    advice: 'grant the permission, as the least ACL of @holdfast/redis has it',
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
  if (redis === null) return unseen(about, 'INFO', 'it decides which commands there are');
  const [major = 0, minor = 0] = redis.split('.').map(Number);
  const found = valkey === null ? `Redis ${redis}` : `Valkey ${valkey}`;
  if (major > 6 || (major === 6 && minor >= 2)) return { about, status: 'ok', found };
  return { about, status: 'wrong', found, advice: 'use Redis 6.2 or later' };
}

function eviction(policy: string | null, maxmemory: string | null): Look {
  const about = 'maxmemory-policy';
  if (policy === null) return unseen(about, 'INFO', 'another policy than noeviction drops locks that are held');
  if (policy === 'noeviction') return { about, status: 'ok', found: policy };
  const limit = maxmemory === '0' ? ' (without a limit of memory as yet)' : '';
  return {
    about,
    status: 'wrong',
    found: `${policy}${limit}`,
    advice: 'set it to noeviction: by this one the server may drop locks that are held',
  };
}

function persistence(aof: string | null, fsync: string | null, save: string | null): Look {
  const about = 'persistence';
  if (aof === null) return unseen(about, 'INFO', 'a server that keeps nothing forgets all locks and tokens when it restarts');
  if (aof === '1') {
    if (fsync === null || fsync === 'always')
      return { about, status: 'ok', found: `appendonly yes${fsync === null ? '' : ', appendfsync always'}` };
    return {
      about,
      status: 'wrong',
      found: `appendonly yes, appendfsync ${fsync}`,
      advice:
        'a crash forgets the locks of the last second or more: set appendfsync always where they must survive, else leave it and rely on fencing tokens',
    };
  }
  const found = save === null || save === '' ? 'nothing is persisted' : `snapshots only (save ${save})`;
  return {
    about,
    status: 'wrong',
    found,
    advice: 'set appendonly yes: a restart forgets locks that are held, and the fencing tokens that were given',
  };
}

function role(found: string | null): Look {
  const about = 'role';
  if (found === null) return unseen(about, 'INFO', 'only a master takes locks');
  if (found === 'master') return { about, status: 'ok', found };
  return { about, status: 'wrong', found, advice: 'connect to the master: a replica takes no locks' };
}

function replicas(count: number, minimum: string | null): Look {
  const about = 'replicas';
  if (Number.isNaN(count)) return unseen(about, 'INFO', 'a fail-over to a replica may forget the last locks');
  if (count === 0) return { about, status: 'ok', found: 'none: no fail-over forgets a lock' };
  if (minimum === null) return unseen('min-replicas-to-write', 'CONFIG GET', 'without it a master that was cut off goes on granting');
  if (Number(minimum) > 0) return { about, status: 'ok', found: `${count}, min-replicas-to-write ${minimum}` };
  return {
    about,
    status: 'wrong',
    found: `${count}, min-replicas-to-write 0`,
    advice:
      'set min-replicas-to-write 1: a master that was cut off from its replicas goes on granting locks that the next master knows nothing of',
  };
}

function idleTimeout(seconds: string | null): Look {
  const about = 'timeout';
  if (seconds === null) return unseen(about, 'CONFIG GET', 'the server may end idle connections');
  if (Number(seconds) === 0 || Number(seconds) >= 60) return { about, status: 'ok', found: `${seconds} s` };
  return {
    about,
    status: 'wrong',
    found: `${seconds} s`,
    advice: 'set it to 0: idle connections are ended and made again all the time, and messages are missed meanwhile',
  };
}

async function clockOffset(server: RedisPort, clock: Clock): Promise<Look> {
  const about = 'clock';
  const before = clock.wall();
  const time = await askPermitted(server, 'TIME');
  const now = (before + clock.wall()) / 2;
  if (!Array.isArray(time)) return unseen(about, 'TIME', 'how far its clock is off');
  const offsetMs = Math.round(Number(time[0]) * 1_000 + Number(time[1]) / 1_000 - now);
  const found = `${offsetMs >= 0 ? '+' : ''}${offsetMs} ms against this machine`;
  if (Math.abs(offsetMs) <= MOST_OFFSET_MS) return { about, status: 'ok', found };
  return {
    about,
    status: 'wrong',
    found,
    advice: 'let both machines set their clocks by NTP: locks expire by the clock of the server, but tokens of several stores begin at it',
  };
}

function unseen(about: string, command: string, why: string): Look {
  return {
    about,
    status: 'unseen',
    found: `the user has no permission for ${command}`,
    advice: `allow ${command}, or look yourself: ${why}`,
  };
}
