import { askZooKeeper } from './ask-zookeeper.js';
import { buildInPlace } from './server-place.js';
import { until } from './until.js';
import { type ZooKeeperConfig, type ZooKeeperOptions, type ZooKeeperServer, startZooKeeperIn, zooKeeperSpec } from './zookeeper.js';

export interface ZooKeeperMember extends ZooKeeperServer {
  readonly id: number;
  /** null while it does not run or has no part in the ensemble. */
  role(): Promise<'leader' | 'follower' | null>;
}

/** Three servers, of which any two are enough. */
export interface ZooKeeperEnsemble extends AsyncDisposable {
  readonly members: readonly ZooKeeperMember[];
  /** `zookeeper://host:port,host:port,host:port`. */
  readonly url: string;
  /** The member that leads now; waits until there is one. */
  leader(): Promise<ZooKeeperMember>;
  followers(): Promise<readonly ZooKeeperMember[]>;
  close(): Promise<void>;
}

const MEMBERS = 3;

/** Starts an ensemble of three on 127.0.0.1 and waits until each has its part in it, which takes about two seconds. An address cannot stand in for it. */
export async function startZooKeeperEnsemble(options: ZooKeeperOptions = {}): Promise<ZooKeeperEnsemble> {
  return buildInPlace(zooKeeperSpec, { count: 3 * MEMBERS }, async (place) => {
    const port = (index: number): number => place.ports[index] ?? 0;
    const ids = Array.from({ length: MEMBERS }, (_, index) => index + 1);
    const peers = ids.map((id, index): readonly [string, string] => [
      `server.${id}`,
      `127.0.0.1:${port(MEMBERS + 2 * index)}:${port(MEMBERS + 2 * index + 1)}`,
    ]);
    const config: ZooKeeperConfig = { initLimit: 25, syncLimit: 5, ...Object.fromEntries(peers), ...options.config };
    const members = await Promise.all(ids.map(async (id, index) => member(id, await startZooKeeperIn(place, index, { config, id }))));
    const withRole = async (wanted: string): Promise<readonly ZooKeeperMember[]> => {
      const roles = await Promise.all(members.map((one) => one.role()));
      return members.filter((_, index) => roles[index] === wanted);
    };
    return {
      members,
      url: `zookeeper://${members.map((one) => `127.0.0.1:${one.port}`).join(',')}`,
      async leader() {
        let found: readonly ZooKeeperMember[] = [];
        await until(
          'the ensemble has one leader',
          async () => {
            found = await withRole('leader');
            return found.length === 1;
          },
          { timeoutMs: 30_000, everyMs: 20 },
        );
        const [leader] = found;
        if (leader === undefined) throw new Error('no leader');
        return leader;
      },
      followers: () => withRole('follower'),
      close: () => place.close(),
      [Symbol.asyncDispose]: () => place.close(),
    };
  });
}

function member(id: number, server: ZooKeeperServer): ZooKeeperMember {
  return Object.assign(server, {
    id,
    async role(): Promise<'leader' | 'follower' | null> {
      const answer = await askZooKeeper(server.port, 'srvr', 500).catch(() => '');
      const role = /^Mode: (leader|follower)/m.exec(answer)?.[1];
      return role === 'leader' || role === 'follower' ? role : null;
    },
  });
}
