import { createLockManager, type LockManager, type ManagerOptions } from '@holdfast/core';
import { type ConformanceHarness, type InjectedFaults, injectFaults } from '@holdfast/core/conformance';
import { createMapBackend, createMapStore } from './map-backend.js';

export const mapHarness: ConformanceHarness = {
  name: 'the map backend',
  faults: ['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'requests', 'crash', 'openBackend'],
  setup(options) {
    const store = createMapStore();
    const clients = new Map<LockManager, InjectedFaults>();
    const open = (managerOptions: ManagerOptions = {}) => {
      const { backend, faults } = injectFaults(createMapBackend(store));
      const manager = createLockManager(backend, managerOptions);
      clients.set(manager, faults);
      return { manager, faults };
    };
    const { manager, faults } = open(options);
    return {
      manager,
      peer: (peerOptions) => open(peerOptions).manager,
      faults: {
        ...faults,
        // A client that is gone is one whose connection never comes back.
        crash: async (peer) => clients.get(peer)?.disconnect(),
        openBackend: () => createMapBackend(store),
      },
      async close() {
        await Promise.all([...clients.keys()].map((client) => client.close()));
      },
    };
  },
};
