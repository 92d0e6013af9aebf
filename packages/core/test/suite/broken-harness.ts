import { createLockManager, type LockBackend } from '@holdfast/core';
import type { ConformanceHarness } from '@holdfast/core/conformance';
import { createMapBackend, createMapStore } from '../third-party/map-backend.js';

/** The suite on the smallest backend, with some of its parts replaced. */
export function brokenHarness(changes: (backend: LockBackend<bigint>) => Partial<LockBackend<bigint>>): ConformanceHarness {
  return {
    name: 'the broken backend',
    faults: ['openBackend'],
    inapplicable: { stopNode: 'there is one', startNode: 'there is one' },
    setup(options) {
      const store = createMapStore();
      const open = (): LockBackend<bigint> => {
        const backend = createMapBackend(store);
        return { ...backend, ...changes(backend) };
      };
      const managers = [createLockManager(open(), options)] as const;
      const peers: ReturnType<typeof createLockManager>[] = [];
      return {
        manager: managers[0],
        peer(peerOptions) {
          const peer = createLockManager(open(), peerOptions);
          peers.push(peer);
          return peer;
        },
        faults: { openBackend: open },
        close: async () => void (await Promise.all([...managers, ...peers].map((manager) => manager.close()))),
      };
    },
  };
}
