import type { Via } from '@holdfast/core/conformance';

/** The schemes whose URL names the servers that clients connect to, with the port where it names none. Sentinels and clusters lead elsewhere. */
const PORTS: Readonly<Record<string, number>> = { redis: 6379, redlock: 6379, postgres: 5432, postgresql: 5432, zookeeper: 2181 };
const SERVER = /^(\[[\da-f:]+\]|[\w.-]+)(?::(\d+))?$/i;

/**
 * The same store by way of the suite's wire, so that the wire can be silenced and cut.
 *
 * @returns the URL as it is where that cannot be: TLS looks at the name of the server, a cluster says itself where its servers are
 */
export async function wiredUrl(url: string, via: Via): Promise<string> {
  const [, scheme = '', credentials = '', servers = '', rest = ''] = /^([a-z]+):\/\/([^@/?#]*@)?([^/?#]+)(.*)$/is.exec(url) ?? [];
  const port = PORTS[scheme.toLowerCase()];
  const named = servers.split(',').map((server) => SERVER.exec(server));
  if (port === undefined || named.includes(null) || /[?&](?:ssl|host)/i.test(rest)) return url;
  const wired = await Promise.all(
    named.map(async (server) => {
      const [, host = '', ownPort] = server ?? [];
      const address = await via(host.replace(/^\[|\]$/g, ''), ownPort === undefined ? port : Number(ownPort));
      return `${address.host}:${address.port}`;
    }),
  );
  return `${scheme}://${credentials}${wired.join(',')}${rest}`;
}
