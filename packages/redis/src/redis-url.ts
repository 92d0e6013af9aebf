import { LockArgumentError } from '@holdfast/core';
import { decodePart, refuseLateUser } from '@holdfast/core/backend';
import type { RedisAddress } from './redis-port.js';

/** Where a URL leads. */
export interface RedisTarget {
  readonly kind: 'standalone' | 'cluster' | 'sentinel';
  /** The server, nodes of the cluster, or sentinels. */
  readonly hosts: readonly [RedisAddress, ...RedisAddress[]];
  readonly tls: boolean;
  readonly username: string | null;
  readonly password: string | null;
  readonly db: number;
  /** The name under which sentinels know the master. */
  readonly masterName: string | null;
}

const SCHEMES: Readonly<Record<string, Pick<RedisTarget, 'kind' | 'tls'>>> = {
  redis: { kind: 'standalone', tls: false },
  rediss: { kind: 'standalone', tls: true },
  'redis+cluster': { kind: 'cluster', tls: false },
  'rediss+cluster': { kind: 'cluster', tls: true },
  'redis+sentinel': { kind: 'sentinel', tls: false },
  'rediss+sentinel': { kind: 'sentinel', tls: true },
};

/**
 * Reads a URL. Not with `URL`: a list of hosts is not one to it. No message quotes the URL, which may hold a password.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function parseRedisUrl(url: string): RedisTarget {
  const parts = /^([a-z+]+):\/\/(?:(.*)@)?([^/?#@]*)(?:\/([^?#]*))?(\?[^#]*)?(#.*)?$/is.exec(url.trim());
  const scheme = parts === null ? undefined : SCHEMES[(parts[1] ?? '').toLowerCase()];
  if (parts === null || scheme === undefined) {
    throw wrong('it must begin with redis://, rediss://, redis+cluster://, rediss+cluster://, redis+sentinel:// or rediss+sentinel://');
  }
  const [, , credentials, hostList, path = '', query, fragment] = parts;
  if ((query ?? '').length > 1 || (fragment ?? '').length > 1) {
    throw wrong('it must not have a query or a fragment; pass options beside it (driverOptions for those of the driver)');
  }
  refuseLateUser(credentials, wrong);
  const hosts = (hostList === '' ? ['localhost'] : (hostList ?? '').split(',')).map((host) => parseHost(host, scheme.kind));
  const [first, ...others] = hosts;
  if (first === undefined) throw wrong('it must name a host');
  if (scheme.kind === 'standalone' && others.length > 0) {
    throw wrong('it has several hosts; use redis+cluster://, redis+sentinel://, or, for independent servers, Redlock (redlock://)');
  }
  const colon = credentials?.indexOf(':') ?? -1;
  const username = credentials === undefined ? '' : decodePart(colon < 0 ? credentials : credentials.slice(0, colon), wrong);
  const password = credentials === undefined || colon < 0 ? '' : decodePart(credentials.slice(colon + 1), wrong);
  return {
    ...scheme,
    hosts: [first, ...others],
    username: username === '' ? null : username,
    password: password === '' ? null : password,
    ...parsePath(path.replace(/\/$/, ''), scheme.kind),
  };
}

function parseHost(text: string, kind: RedisTarget['kind']): RedisAddress {
  const match = /^(\[[0-9a-f:.%]+\]|[^:[\]\s]{1,253})(?::(\d{1,5}))?$/i.exec(text.trim());
  const port = Number(match?.[2] ?? (kind === 'sentinel' ? 26_379 : 6379));
  const host = match?.[1];
  if (host === undefined || port < 1 || port > 65_535)
    throw wrong('a host in it is not host, host:port or [IPv6]:port, with a port from 1 to 65535');
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port };
}

function parsePath(path: string, kind: RedisTarget['kind']): Pick<RedisTarget, 'db' | 'masterName'> {
  if (kind === 'sentinel') {
    const [masterName, db = '', ...rest] = path.split('/');
    if (masterName === undefined || masterName === '' || rest.length > 0) {
      throw wrong('it must name the master after the sentinels: redis+sentinel://host:26379,host:26379/master-name or .../master-name/db');
    }
    return { masterName: decodePart(masterName, wrong), db: parseDb(db) };
  }
  const db = parseDb(path);
  if (kind === 'cluster' && db !== 0) throw wrong('a cluster has database 0 only');
  return { masterName: null, db };
}

function parseDb(text: string): number {
  if (!/^\d{0,9}$/.test(text)) throw wrong('the database after the host must be a number');
  return Number(text);
}

function wrong(rule: string): LockArgumentError {
  return new LockArgumentError(`redis: the url given is not usable: ${rule}`, { option: 'url', backend: 'redis' });
}
