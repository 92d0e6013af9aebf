import { createLockManager, type LockBackend, type LockManager } from '@holdfast/core';
import { type ConformanceHarness, injectFaults, noWire, type SetupOptions } from '@holdfast/core/conformance';
import { callOf, newName, requestOf } from '@holdfast/test/backend';
import { type EtcdServer, startEtcd } from '@holdfast/test/servers';
import { EtcdBackend } from '../etcd-backend/etcd-backend.js';
import type { KeyValue } from '../etcd-backend/gateway.js';
import { holdKey } from '../etcd-backend/keys.js';

/** One for all cases; it ends with this process, or when `end` says so. */
let started: Promise<EtcdServer> | null = null;

/** Long enough for a busy machine, short enough to wait for the end of a dead client's session. */
const ttlSeconds = 6;
/** Built: the suite's processes know no TypeScript. */
const clientModule = `..${import.meta.url.endsWith('.ts') ? '/dist' : ''}/etcd-backend/open-client.js`;
/** For first contacts, in ms. */
const PATIENT = 10_000;
const noNodes = 'the cluster is one server';

/** What the conformance suite needs, for the tests and for `holdfast conformance --harness`. */
export const harness: ConformanceHarness = {
  name: 'etcd',
  faults: [
    'disconnect',
    'reconnect',
    'freeze',
    'thaw',
    'loseNextReply',
    'requests',
    'crash',
    'killSession',
    'deliverLate',
    'openBackend',
    'otherProcess',
  ],
  inapplicable: { stopNode: noNodes, startNode: noNodes },
  async versions() {
    const { url } = await (started ??= startEtcd());
    const response = await fetch(`${url}/version`);
    return { etcd: ((await response.json()) as { etcdserver: string }).etcdserver };
  },
  async setup(options) {
    const server = await (started ??= startEtcd());
    const managers: LockManager[] = [];
    const backends: LockBackend[] = [];
    const addressOf = async ({ via = noWire }: SetupOptions) => {
      const { host, port } = await via(server.host, server.port);
      return `http://${host}:${port}`;
    };
    const openBackend = async (own: SetupOptions) => {
      const backend = new EtcdBackend({ urls: [await addressOf(own)], ttlSeconds });
      backends.push(backend);
      // Cases time waits, not first contacts.
      const probe = requestOf(newName());
      await backend.attempt([probe], callOf(PATIENT));
      await backend.release([probe], callOf(PATIENT));
      return backend;
    };
    const open = async (own: SetupOptions) => {
      const bare = await openBackend(own);
      const { backend, faults } = injectFaults(bare);
      const manager = createLockManager(backend, own);
      managers.push(manager);
      return { manager, bare, faults };
    };
    const { manager, bare, faults } = await open(options);
    return {
      manager,
      peer: async (own = {}) => (await open(own)).manager,
      faults: {
        loseNextReply: faults.loseNextReply,
        requests: faults.requests,
        killSession: () => revokeLease(server, bare),
        openBackend: () => openBackend(options),
        otherProcess: () => ({
          module: new URL(clientModule, import.meta.url),
          data: { urls: [server.url], ttlSeconds },
        }),
      },
      async close() {
        await Promise.all(managers.map((one) => one.close()));
        await Promise.all(backends.map((one) => one.close()));
      },
    };
  },
};

/** Ends the session of this client in etcd, as its operator would. */
async function revokeLease({ url }: EtcdServer, backend: EtcdBackend): Promise<void> {
  const probe = requestOf(newName());
  await backend.attempt([probe], callOf(PATIENT));
  const ask = async (path: string, body: object): Promise<{ readonly kvs?: readonly KeyValue[] }> => {
    const response = await fetch(`${url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`etcd answers ${path} with ${response.status}`);
    return (await response.json()) as { readonly kvs?: readonly KeyValue[] };
  };
  const { kvs: [hold] = [] } = await ask('kv/range', { key: holdKey('lock', probe.name, probe.owner) });
  if (hold?.lease === undefined) throw new Error('the probe is not in etcd');
  await ask('lease/revoke', { ID: hold.lease });
}

/** Ends the server. */
export async function end(): Promise<void> {
  await (await started)?.close();
}
