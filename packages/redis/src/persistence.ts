import type { NodeHealth } from '@holdfast/core';
import { type RedisPort, serversOf } from './redis-port.js';
import { settingOf } from './server-settings.js';

/**
 * The servers that persist nothing: at a restart they forget completion marks, and what is due runs again. No fault of locks, which
 * end by themselves; so it is reported and not refused. Nothing is reported of a server that does not let us see it.
 */
export async function forgetfulServers(port: RedisPort): Promise<readonly NodeHealth[]> {
  const servers = serversOf(port);
  const forgets = await Promise.all(
    servers.map(async (server) => (await settingOf(server, 'appendonly')) === 'no' && (await settingOf(server, 'save')) === ''),
  );
  const count = forgets.filter((each) => each).length;
  if (count === 0) return [];
  const which = servers.length === 1 ? 'it persists' : `${count} of ${servers.length} masters persist`;
  const problem = `${which} nothing (no appendonly, no save): at a restart all completion marks are forgotten`;
  return [{ node: 'redis', up: true, quarantinedForMs: 0, clockOffsetMs: null, problem }];
}
