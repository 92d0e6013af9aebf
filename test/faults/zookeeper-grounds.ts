import { startTcpProxy, startZooKeeper, startZooKeeperEnsemble } from '@holdfast/test/servers';
import { blow, type OpenGround, serverFaults, wireFaults } from './fault.js';
import { closeAll } from './redis-grounds.js';

/** One server. Its sessions outlive a restart. */
export const zooKeeper: OpenGround = async () => {
  const server = await startZooKeeper({ config: {} });
  const wire = await startTcpProxy({ target: server.port });
  return {
    store: { kind: 'zookeeper', url: `127.0.0.1:${wire.port}` },
    faults: [...wireFaults([wire]), ...serverFaults(server, { title: 'with its data', forgets: false })],
    close: closeAll(wire, server),
  };
};

/** Three servers, each behind a wire of its own. */
export const zooKeeperEnsemble: OpenGround = async () => {
  const ensemble = await startZooKeeperEnsemble();
  const wires = await Promise.all(ensemble.members.map(({ port }) => startTcpProxy({ target: port })));
  let down = await ensemble.leader();
  const leaderKilled = blow(
    'leader killed, another is elected',
    false,
    async () => {
      down = await ensemble.leader();
      await down.kill();
      await ensemble.leader();
    },
    () => down.restart(),
  );
  const leaderStopped = {
    title: 'leader stands still, another is elected',
    lastsMs: [3_500, 4_500] as const,
    forgets: false,
    async begin(): Promise<void> {
      down = await ensemble.leader();
      await down.pause();
    },
    heal: () => down.continue(),
  };
  return {
    store: { kind: 'zookeeper', url: wires.map(({ port }) => `127.0.0.1:${port}`).join() },
    faults: [
      leaderKilled,
      leaderStopped,
      ...wireFaults(wires, { of: 'all members: ' }),
      ...wireFaults(wires.slice(0, 1), { of: 'one member: ' }),
    ],
    close: closeAll(ensemble, ...wires),
  };
};
