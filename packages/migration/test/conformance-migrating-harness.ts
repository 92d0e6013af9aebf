import { createLockManager, type LockManager, type ManagerOptions } from '@holdfast/core';
import { type ConformanceHarness, type InjectedFaults, injectFaults } from '@holdfast/core/conformance';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createMigratingLockManager, type MigrationPhase } from '@holdfast/migration';
import { createTestMemoryStore, type TestMemoryStore } from '@holdfast/core/testing';

export interface MigratingHarnessOptions {
  readonly phase: MigrationPhase;
  readonly fair: boolean;
  /** The side whose reply is lost. */
  readonly losesReplyOf: 'from' | 'to';
}

interface Side {
  readonly connection: TestMemoryStore;
  readonly gate: InjectedFaults;
  readonly manager: LockManager;
}

interface Client {
  readonly from: Side;
  readonly to: Side;
}

/** The suite on a manager that migrates from one memory store to another; all its peers are in the same phase. */
export function migratingHarness({ phase, fair, losesReplyOf }: MigratingHarnessOptions): ConformanceHarness {
  return {
    name: `a manager in phase "${phase}" over two ${fair ? 'fair' : 'plain'} memory stores, which loses replies of "${losesReplyOf}"`,
    faults: ['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'crash', 'requests', 'residue'],
    setup(managerOptions) {
      const stores = { from: createTestMemoryStore(), to: createTestMemoryStore() };
      const clients = new Map<LockManager, Client>();
      const open = (options: ManagerOptions): LockManager => {
        const side = (which: 'from' | 'to'): Side => {
          const connection = stores[which].peer();
          const { backend, faults } = injectFaults(createMemoryBackend({ store: connection, fair }));
          const { clock, commandTimeoutMs, unavailableAfterMs } = options;
          return { connection, gate: faults, manager: createLockManager(backend, { clock, commandTimeoutMs, unavailableAfterMs }) };
        };
        const client = { from: side('from'), to: side('to') };
        const manager = createMigratingLockManager({ from: client.from.manager, to: client.to.manager, phase, ...options });
        clients.set(manager, client);
        return manager;
      };
      const manager = open(managerOptions);
      const { from, to } = clientOf(clients, manager);
      const both = [from, to];
      return {
        manager,
        peer: (peerOptions = {}) => open(peerOptions),
        faults: {
          disconnect: async () => void (await Promise.all(both.map(({ gate }) => gate.disconnect()))),
          reconnect: async () => void (await Promise.all(both.map(({ gate }) => gate.reconnect()))),
          freeze: async () => void (await Promise.all(both.map(({ gate }) => gate.freeze()))),
          thaw: async () => void (await Promise.all(both.map(({ gate }) => gate.thaw()))),
          loseNextReply: () => (phase === 'both' ? { from, to }[losesReplyOf] : { from, to }[phase]).gate.loseNextReply(),
          async crash(peer) {
            const client = clientOf(clients, peer);
            client.from.connection.disconnect();
            client.to.connection.disconnect();
          },
          async requests() {
            return (await from.gate.requests()) + (await to.gate.requests());
          },
          residue: async () =>
            Object.entries(stores).flatMap(([name, store]) =>
              Array.from({ length: store.size }, (_, index) => `entry ${index + 1} of "${name}"`),
            ),
        },
        async close() {
          await Promise.all([...clients.keys()].map((one) => one.close()));
        },
      };
    },
  };
}

function clientOf(clients: ReadonlyMap<LockManager, Client>, manager: LockManager): Client {
  const client = clients.get(manager);
  if (client === undefined) throw new Error('not a manager of this setup');
  return client;
}
