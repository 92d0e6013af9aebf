import { randomBytes } from 'node:crypto';
import type { HoldRequest, LockBackend } from '@holdfast/core';
import { callOf, type Granted } from '@holdfast/test/backend';
import { type StoreFixture, useStore } from '@holdfast/test/fixture';
import { startZooKeeper, type ZooKeeperOptions, type ZooKeeperServer } from '@holdfast/test/servers';
import { createZooKeeperBackend, type ZooKeeperBackendOptions } from '@holdfast/zookeeper';
import type { Driver, DriverClient } from '../src/zookeeper-client.js';

const module = (await import('node-zookeeper-client')) as unknown as { readonly default: Driver };
/** The real driver, as the backend finds it. */
export const driver: Driver = module.default;

/** What only operators ask of the driver. */
interface OperatorDriver {
  readonly Id: new (scheme: string, id: string) => object;
  readonly ACL: new (permissions: number, id: object) => object;
}
const { ACL, Id } = driver as unknown as OperatorDriver;

interface OperatorClient extends DriverClient {
  create(path: string, data: Buffer, acl: readonly object[], mode: number, done: (error: unknown, path: string) => void): void;
  setACL(path: string, acl: readonly object[], version: number, done: (error: unknown) => void): void;
}

export function newRoot(): string {
  return `/t-${randomBytes(6).toString('hex')}`;
}

export function stand(backend: LockBackend<bigint>, request: HoldRequest, signal?: AbortSignal): Promise<Granted> {
  if (backend.wait === undefined) throw new Error('no queue');
  return backend.wait(request, callOf(5000, signal));
}

/** A client of the driver alone, for what operators and other programs do. */
export class Admin {
  readonly #client: OperatorClient;

  private constructor(client: DriverClient) {
    this.#client = client as OperatorClient;
  }

  /** @param auth `user:password` of the scheme digest */
  static async open(port: number, auth?: string): Promise<Admin> {
    const client = driver.createClient(`127.0.0.1:${port}`, { sessionTimeout: 30_000, retries: 0 });
    if (auth !== undefined) client.addAuthInfo('digest', Buffer.from(auth));
    await new Promise<void>((resolve) => {
      client.connectionManager.on('state', (state) => {
        if (state === 2) resolve();
      });
      client.connect();
    });
    return new Admin(client);
  }

  create(path: string, text = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      const open = [new ACL(31, new Id('world', 'anyone'))];
      this.#client.create(path, Buffer.from(text), open, 0, (error, made) =>
        error ? reject(new Error(`${path} was not made`, { cause: error })) : resolve(made),
      );
    });
  }

  /** Says what everybody may do with a node; permissions are a sum of 1 read, 2 write, 4 create, 8 delete, 16 administer. */
  allow(path: string, permissions: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const acl = [new ACL(permissions, new Id('world', 'anyone'))];
      this.#client.setACL(path, acl, -1, (error) =>
        error ? reject(new Error(`${path}: no permissions were set`, { cause: error })) : resolve(),
      );
    });
  }

  /** none where there is no such node */
  children(path: string): Promise<readonly string[]> {
    return new Promise((resolve) => {
      this.#client.getChildren(path, undefined, (error, names) => resolve(error ? [] : names));
    });
  }

  /** null where there is no such node */
  data(path: string): Promise<string | null> {
    return new Promise((resolve) => {
      this.#client.getData(path, undefined, (error, data) => resolve(error ? null : (data ?? '').toString()));
    });
  }

  remove(path: string): Promise<boolean> {
    return new Promise((resolve) => {
      this.#client.remove(path, -1, (error) => resolve(!error));
    });
  }

  async removeAll(path: string): Promise<void> {
    for (const name of await this.children(path)) await this.removeAll(`${path}/${name}`);
    await this.remove(path);
  }

  /** Ends the session. */
  close(): void {
    this.#client.close();
  }
}

/** Whether the driver alone gets a session there in time; it is ended again. */
export async function givesSession(port: number, withinMs: number): Promise<boolean> {
  const client = driver.createClient(`127.0.0.1:${port}`, { sessionTimeout: 30_000, retries: 0 });
  const { connectionManager } = client;
  const given = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), withinMs);
    connectionManager.on('state', (state) => {
      if (state !== 2) return;
      clearTimeout(timer);
      resolve(true);
    });
    client.connect();
  });
  connectionManager.connect = () => {};
  if (given) client.close();
  else connectionManager.socket?.destroy();
  return given;
}

/** Ends the session of another client, as one that has its id and password; again until the server has forgotten it. */
export async function endSession(port: number, victim: DriverClient): Promise<void> {
  const [sessionId, sessionPassword] = [victim.getSessionId(), victim.getSessionPassword()];
  for (let isGone = false; !isGone; ) {
    const client = driver.createClient(`127.0.0.1:${port}`, { sessionTimeout: 30_000, retries: 0, sessionId, sessionPassword });
    isGone = await new Promise<boolean>((resolve) => {
      client.connectionManager.on('state', (state) => {
        // At once: the victim comes back and takes the session over again.
        if (state === 2) client.close();
        if (state === -3) resolve(true);
        if (state === 0) resolve(false);
      });
      client.connect();
    });
    client.connectionManager.connect = () => {};
  }
}

/** What the requests of a root have left: the nodes of names and of sessions. Marks are kept on purpose. */
export async function nodesUnder(admin: Admin, root: string): Promise<readonly string[]> {
  const kinds = ['locks', 'semaphores', 'read-write', 'sessions'];
  const lists = await Promise.all(kinds.map(async (kind) => (await admin.children(`${root}/${kind}`)).map((name) => `${kind}/${name}`)));
  return lists.flat();
}

export type ZooKeeperFixture = StoreFixture<ZooKeeperServer, Admin, Partial<ZooKeeperBackendOptions>>;

export function useZooKeeper({ auth, ...options }: ZooKeeperOptions & { readonly auth?: string } = {}): ZooKeeperFixture {
  const roots = new Set<string>();
  return useStore({
    start: () => startZooKeeper(options),
    connect: ({ port }) => Admin.open(port, auth),
    disconnect: (admin) => admin.close(),
    open: ({ port }, over: Partial<ZooKeeperBackendOptions>) => {
      const root = over.root ?? newRoot();
      roots.add(root);
      return createZooKeeperBackend({ connectionString: `127.0.0.1:${port}`, sessionTimeoutMs: 4000, ...over, root });
    },
    clear: async (admin) => {
      for (const root of roots) await admin.removeAll(root);
      roots.clear();
    },
  });
}
