import { createLockManager, type LockBackend, type LockManager, type ManagerOptions } from '@holdfast/core';
import { type ConformanceHarness, type InjectedFaults, injectFaults, type LateDelivery } from '@holdfast/core/conformance';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createTestMemoryStore, type TestMemoryStore } from '@holdfast/core/testing';
import { LateLink } from './late-link.js';

export interface MemoryHarnessOptions {
  readonly name: string;
  /** One queue in the store, or woken waiters that ask. */
  readonly fair: boolean;
  /** Where the faults are made: by the store's own connections, or by the suite's gate in front of any backend. */
  readonly faultsBy?: 'store' | 'gate';
  /** Requests can be late, and expire. A store in this process has no such way to it. @default false */
  readonly late?: boolean;
  /** Called once a store; what it returns breaks each backend of it. */
  readonly breakBackend?: (() => (backend: LockBackend) => LockBackend) | undefined;
  /** The same for each manager. */
  readonly breakManager?: (() => (manager: LockManager) => LockManager) | undefined;
}

const unbroken = <T>(whole: T): T => whole;

/** The suite on the memory backend, or on one that was broken on purpose. */
export function memoryHarness(options: MemoryHarnessOptions): ConformanceHarness {
  return {
    name: options.name,
    faults: [
      ...(['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'crash', 'requests', 'residue', 'openBackend'] as const),
      ...(options.late ? (['deliverLate'] as const) : []),
    ],
    setup(managerOptions) {
      const store = createTestMemoryStore();
      const breakBackend = options.breakBackend?.() ?? unbroken;
      const breakManager = options.breakManager?.() ?? unbroken;
      const clients = new Map<LockManager, Client>();
      const backends: LockBackend[] = [];
      const bare: LateLink[] = [];
      const reach = (connection: TestMemoryStore): { readonly backend: LockBackend; readonly link: LateLink | null } => {
        const backend = createMemoryBackend({ store: connection, fair: options.fair });
        const link = options.late ? new LateLink(backend) : null;
        return { backend: link?.backend ?? backend, link };
      };
      const open = (client: ManagerOptions): LockManager => {
        const connection = store.peer();
        const { backend, link } = reach(connection);
        const gated = injectFaults(backend);
        const manager = breakManager(createLockManager(breakBackend(gated.backend), client));
        clients.set(manager, { connection, gate: gated.faults, link });
        return manager;
      };
      const manager = open(managerOptions);
      const client = clientOf(clients, manager);
      return {
        manager,
        peer: (peerOptions = {}) => open(peerOptions),
        faults: {
          ...(options.faultsBy === 'store' ? storeFaults(client) : gateFaults(client)),
          // The store's own silence drops what is sent; the gate delivers it late, which is worse.
          freeze: () => client.gate.freeze(),
          thaw: () => client.gate.thaw(),
          ...(client.link === null ? {} : { deliverLate: async () => deliverLate([client.link, ...bare]) }),
          crash: async (peer) => clientOf(clients, peer).connection.disconnect(),
          requests: () => client.gate.requests(),
          residue: async () => Array.from({ length: store.size }, (_, index) => `entry ${index + 1} of the store`),
          openBackend() {
            const { backend: whole, link } = reach(store.peer());
            const backend = breakBackend(whole);
            backends.push(backend);
            if (link !== null) bare.push(link);
            return backend;
          },
        },
        async close() {
          await Promise.all([...clients.keys()].map((one) => one.close()));
          await Promise.all(backends.map((one) => one.close()));
        },
      };
    },
  };
}

interface Client {
  readonly connection: TestMemoryStore;
  readonly gate: InjectedFaults;
  readonly link: LateLink | null;
}

function clientOf(clients: ReadonlyMap<LockManager, Client>, manager: LockManager): Client {
  const client = clients.get(manager);
  if (client === undefined) throw new Error('not a manager of this setup');
  return client;
}

function storeFaults({ connection }: Client) {
  return {
    disconnect: async () => connection.disconnect(),
    reconnect: async () => connection.reconnect(),
    async loseNextReply() {
      const planned = (['attempt', 'renew', 'release', 'wait'] as const).map((call) => connection.failNext(call, { performed: true }));
      // Whichever comes first; the others must not meet a later call.
      for (const fault of planned) {
        void fault.reached.then(() => {
          for (const other of planned) other.cancel();
        });
      }
    },
  };
}

function gateFaults({ gate }: Client) {
  return { disconnect: () => gate.disconnect(), reconnect: () => gate.reconnect(), loseNextReply: () => gate.loseNextReply() };
}

/** What any of them sends is on its way. */
function deliverLate(links: readonly (LateLink | null)[]): LateDelivery {
  const ways = links.flatMap((link) => (link === null ? [] : [link.deliverLate()]));
  return {
    taken: () => Promise.race(ways.map((way) => way.taken())),
    cut: async () => void (await Promise.all(ways.map((way) => way.cut()))),
    deliver: async () => void (await Promise.all(ways.map((way) => way.deliver()))),
  };
}
