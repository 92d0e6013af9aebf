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
    'residue',
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
    const leases: string[] = [];
    const openBackend = async (own: SetupOptions) => {
      const backend = new EtcdBackend({ urls: [await addressOf(own)], ttlSeconds });
      backends.push(backend);
      // Cases time waits, not first contacts.
      const probe = requestOf(newName());
      await backend.attempt([probe], callOf(PATIENT));
      const { kvs: [hold] = [] } = await ask(server, 'kv/range', { key: holdKey('lock', probe.name, probe.owner) });
      await backend.release([probe], callOf(PATIENT));
      if (hold?.lease === undefined) throw new Error('the probe is not in etcd');
      leases.push(hold.lease);
      return { backend, lease: hold.lease };
    };
    const open = async (own: SetupOptions) => {
      const { backend: bare, lease } = await openBackend(own);
      const { backend, faults } = injectFaults(bare);
      const manager = createLockManager(backend, own);
      managers.push(manager);
      return { manager, lease, faults };
    };
    const { manager, lease, faults } = await open(options);
    return {
      manager,
      peer: async (own = {}) => (await open(own)).manager,
      faults: {
        loseNextReply: faults.loseNextReply,
        requests: faults.requests,
        // As its operator would.
        killSession: async () => void (await ask(server, 'lease/revoke', { ID: lease })),
        residue: async () => (await Promise.all(leases.map((one) => keysOf(server, one)))).flat(),
        openBackend: async () => (await openBackend(options)).backend,
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

interface EtcdReply {
  readonly kvs?: readonly KeyValue[];
  readonly keys?: readonly string[];
}

/** Asks etcd itself, past the backend. */
async function ask({ url }: EtcdServer, path: string, body: object): Promise<EtcdReply> {
  const response = await fetch(`${url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`etcd answers ${path} with ${response.status}`);
  return (await response.json()) as EtcdReply;
}

/** What a client has in etcd: all of it is attached to its lease. The one pass of a session that goes on is no residue. */
async function keysOf(server: EtcdServer, lease: string): Promise<readonly string[]> {
  const { keys = [] } = await ask(server, 'lease/timetolive', { ID: lease, keys: true });
  return keys.map((key) => Buffer.from(key, 'base64').toString()).filter((key) => !key.includes('/passes/'));
}

/** Ends the server. */
export async function end(): Promise<void> {
  await (await started)?.close();
}
