import { LockArgumentError } from '@holdfast/core';
import { refuseLateUser } from '@holdfast/core/backend';

/**
 * The nodes of `redlock://[user:password@]h1:p1,h2:p2,h3:p3[/db]` (`rediss` by `redlocks://`), as one Redis URL each. What
 * stands before the hosts and behind them is the same for all. No message quotes the URL, which may hold a password.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function nodeUrls(url: string): readonly string[] {
  const parts = /^(redlocks?):\/\/(?:(.*)@)?([^/?#@]*)(\/[^?#]*)?$/is.exec(url.trim());
  if (parts === null) throw wrong('it must read redlock://host:port,host:port,host:port, with no query');
  const [, scheme = '', credentials, hosts = '', path = ''] = parts;
  // The majority would be counted without the nodes that are left out.
  refuseLateUser(credentials, wrong);
  const redis = scheme.toLowerCase() === 'redlocks' ? 'rediss' : 'redis';
  const start = `${redis}://${credentials === undefined ? '' : `${credentials}@`}`;
  return hosts.split(',').map((host) => {
    if (host.trim() === '') throw wrong('a host in it is empty');
    return `${start}${host.trim()}${path}`;
  });
}

function wrong(rule: string): LockArgumentError {
  return new LockArgumentError(`redlock: the url given is not usable: ${rule}`, { option: 'url', backend: 'redlock' });
}
