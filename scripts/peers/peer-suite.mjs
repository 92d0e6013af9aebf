// The child of try-peers.mjs: the conformance suite on one peer. Its data comes as the first message.
import { createLockManager } from '../../packages/core/dist/index.js';
import { serveConformance } from '../../packages/core/dist/conformance/index.js';
import { openPeerBackend } from './peer-client.mjs';

process.once('message', (data) => {
  const severally = data.nodes.length > 1;
  const isAlone = data.nodes.length === 0;
  const one = 'it is one server';
  const own = 'it is in this process';
  const wireless = ['disconnect', 'reconnect', 'freeze', 'thaw', 'killSession', 'deliverLate', 'crash', 'otherProcess'];
  void serveConformance({
    name: data.id,
    faults: ['openBackend', ...(isAlone ? [] : wireless), ...(severally ? ['stopNode', 'startNode'] : [])],
    inapplicable: {
      ...(isAlone ? Object.fromEntries(wireless.map((fault) => [fault, own])) : {}),
      ...(severally ? {} : { stopNode: one, startNode: one }),
    },
    async setup(options) {
      const managers = [];
      const backends = [];
      const reach = async (via) =>
        await openPeerBackend({
          ...data,
          nodes: await Promise.all(data.nodes.map(async ({ host, port, ...login }) => ({ ...login, ...(await via(host, port)) }))),
        });
      const open = async (over) => {
        const manager = createLockManager(await reach(over.via), over);
        managers.push(manager);
        return manager;
      };
      return {
        manager: await open(options),
        peer: open,
        faults: {
          async openBackend() {
            const backend = await reach(options.via);
            backends.push(backend);
            return backend;
          },
          ...(isAlone ? {} : { otherProcess: () => ({ module: new URL('peer-client.mjs', import.meta.url), data }) }),
        },
        close: async () => void (await Promise.all([...managers, ...backends].map((each) => each.close()))),
      };
    },
  });
});
