import type { ServerHandle } from '@holdfast/test/servers';

/** The processes of servers that were started here; none of one in a container, or at an address. */
export function pidsOf(...servers: readonly (ServerHandle | null | undefined)[]): readonly number[] {
  return servers.flatMap((server) => (server?.source === 'binary' && server.pid !== undefined ? [server.pid] : []));
}
