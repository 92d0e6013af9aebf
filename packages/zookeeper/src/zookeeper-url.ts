import { LockArgumentError } from '@holdfast/core';
import { decodePart, refuseLateUser } from '@holdfast/core/backend';
import type { HostAndPort } from './tamed-client.js';

/** What a connection string says. */
export interface ZooKeeperTarget {
  readonly servers: readonly HostAndPort[];
  /** '' or a path that begins with a slash and does not end with one. */
  readonly chroot: string;
  /** `user:password`, from a URL. */
  readonly credentials: string | null;
}

const DEFAULT_PORT = 2181;

/**
 * Reads `host:port,host:port/chroot`, with or without `zookeeper://user:password@` before it. No message quotes it: it may
 * hold a password.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function parseConnectionString(text: string): ZooKeeperTarget {
  const [, scheme, credentials, hosts = '', chroot = '', rest = ''] =
    /^(?:([a-z][a-z\d+.-]*):\/\/)?(?:(.*)@)?([^/?#@]*)(\/[^?#]*)?([?#].*)?$/is.exec(text.trim()) ?? [];
  if (scheme !== undefined && !/^(?:zookeeper|zk)$/i.test(scheme)) throw wrong('it must begin with zookeeper:// or with a host');
  if (rest.length > 1) throw wrong('it must not have a query or a fragment; pass options beside it');
  const servers = hosts.split(',').map(parseHost);
  const path = chroot.replace(/\/+$/, '');
  if (path !== '' && !isPath(path)) throw wrong('the path after the hosts must be one of ZooKeeper, without empty parts, . or ..');
  refuseLateUser(credentials, wrong);
  if (credentials !== undefined && !/^[^:]+:/.test(credentials)) throw wrong('what stands before the @ must be user:password');
  return { servers, chroot: path, credentials: credentials === undefined ? null : decodePart(credentials, wrong) };
}

/** Whether ZooKeeper takes it as a path, and the driver too. */
export function isPath(path: string): boolean {
  const parts = path.split('/').slice(1);
  // What the server refuses, in UTF-16 units: so no character outside of the first plane either.
  const isPart = (part: string): boolean =>
    part !== '' && part !== '.' && part !== '..' && !/\p{Cc}/u.test(part) && !/[\ud800-\uf8ff\ufff0-\uffff]/.test(part);
  return path.startsWith('/') && parts.every(isPart) && parts[0] !== 'zookeeper';
}

function parseHost(text: string): HostAndPort {
  const match = /^(\[[0-9a-f:.]+(?:%[\w.-]+)?\]|[^:[\]\s]{1,253})(?::(\d{1,5}))?$/i.exec(text.trim());
  const host = match?.[1];
  const port = Number(match?.[2] ?? DEFAULT_PORT);
  if (host === undefined || port < 1 || port > 65_535) throw wrong('a host in it is not host, host:port or [IPv6]:port');
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port };
}

function wrong(rule: string): LockArgumentError {
  return new LockArgumentError(`zookeeper: the connection string given is not usable: ${rule}`, {
    option: 'connectionString',
    backend: 'zookeeper',
  });
}
