import type { LockManager } from '@holdfast/core';
import { adaptLegacyLock } from '@holdfast/migration';
import zookeeper from 'node-zookeeper-client';

const ROOT = '/locks';

type Answered<T> = (error: Error | zookeeper.Exception | null, value: T) => void;

function ask<T>(call: (answered: Answered<T>) => void): Promise<T> {
  return new Promise((resolve, reject) =>
    call((error, value) => {
      if (!error) resolve(value);
      else reject(error instanceof Error ? error : new Error(String(error)));
    }),
  );
}

function isNoNode(error: unknown): boolean {
  return error instanceof zookeeper.Exception && error.getCode() === zookeeper.Exception.NO_NODE;
}

/** What Curator's protected nodes begin with; by it a node is found whose name was lost with the answer. */
function prefixOf(token: string): string {
  return `_c_${token.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}-`;
}

/** Curator's order: by what stands behind `lock-`. */
function sequenceOf(node: string): string {
  return node.slice(node.lastIndexOf('lock-') + 'lock-'.length);
}

/** The nodes of Curator's InterProcessMutex, as docs/migrating-from-curator.md has it. @param servers host:port,... */
export function curatorLocks(servers: string): LockManager<null> {
  // Longer than the ttl of a lease: a process that is cut off gives up its lease before its session ends.
  const client = zookeeper.createClient(servers, { sessionTimeout: 30_000 });
  client.connect();
  const create = (path: string): Promise<string> =>
    ask((answered) => client.create(path, Buffer.alloc(0), zookeeper.CreateMode.EPHEMERAL_SEQUENTIAL, answered));
  const childrenOf = (path: string): Promise<string[]> =>
    ask<string[]>((answered) => client.getChildren(path, answered)).catch((error: unknown) => {
      if (isNoNode(error)) return [];
      throw error;
    });
  const remove = async (path: string): Promise<boolean> => {
    try {
      await ask<void>((answered) => client.remove(path, (error) => answered(error, undefined)));
      return true;
    } catch (error) {
      if (isNoNode(error)) return false;
      throw error;
    }
  };
  return adaptLegacyLock({
    name: 'curator',
    async tryLock(name: string, { token }) {
      const parent = `${ROOT}/${name}`;
      const path = `${parent}/${prefixOf(token)}lock-`;
      const node = await create(path).catch(async (error: unknown) => {
        // The servers remove the empty parents that Curator makes.
        if (!isNoNode(error)) throw error;
        await ask<string>((answered) => client.mkdirp(parent, answered));
        return create(path);
      });
      const [first] = (await childrenOf(parent)).sort((a, b) => (sequenceOf(a) < sequenceOf(b) ? -1 : 1));
      if (node === `${parent}/${first}`) return node;
      await remove(node);
      return null;
    },
    unlock: (_, { handle }) => remove(handle),
    // A write: a server that is cut off from the others still answers reads.
    async isHeld(_, { handle }) {
      try {
        await ask<unknown>((answered) => client.setData(handle, Buffer.alloc(0), answered));
        return true;
      } catch (error) {
        if (isNoNode(error)) return false;
        throw error;
      }
    },
    isLocked: async (name) => (await childrenOf(`${ROOT}/${name}`)).length > 0,
    async undo(name, token) {
      const nodes = await childrenOf(`${ROOT}/${name}`);
      await Promise.all(nodes.filter((node) => node.startsWith(prefixOf(token))).map((node) => remove(`${ROOT}/${name}/${node}`)));
    },
    close: () => client.close(),
  });
}
