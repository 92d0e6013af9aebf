import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import zookeeper from 'node-zookeeper-client';
import type { Library } from '../library.js';
import { connectZooKeeper, makePath } from '../stores/zookeeper.js';

/** The least that a queue of nodes needs when nobody is in front: make a node, look who is first, remove it. */
export const floorZooKeeper: Library = {
  id: 'floor',
  title: 'floor: create, getChildren, remove',
  backend: 'zookeeper',
  role: 'floor',
  scenarios: ['uncontended', 'in-flight-64'],
  async open(address) {
    const client = await connectZooKeeper(address);
    const create = promisify(client.create).bind(client);
    const getChildren = promisify(client.getChildren).bind(client);
    const remove = promisify(client.remove).bind(client);
    const parents = new Set<string>();
    return {
      async acquire(name) {
        const parent = `/holdfast-floor/${encodeURIComponent(name)}`;
        if (!parents.has(parent)) await makePath(client, parent);
        parents.add(parent);
        const path = await create(`${parent}/n-`, zookeeper.CreateMode.EPHEMERAL_SEQUENTIAL);
        const own = path.slice(parent.length + 1);
        while ((await getChildren(parent)).toSorted()[0] !== own) await setImmediate();
        return { release: () => remove(path, -1) };
      },
      close: async () => client.close(),
    };
  },
};
