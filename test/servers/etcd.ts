import { AddressServer } from './address-server.js';
import { findAddress } from './find-source.js';
import type { ServerHandle } from './server-handle.js';
import { buildInPlace, type ServerPlace } from './server-place.js';
import type { LaunchPlan, ServerSpec } from './server-spec.js';

/** One etcd that answers on 127.0.0.1. */
export interface EtcdServer extends ServerHandle {
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:port`. */
  readonly url: string;
}

export const etcdSpec: ServerSpec = {
  title: 'etcd',
  binary: 'etcd',
  addressVariable: 'HOLDFAST_TEST_ETCD_URL',
  imageVariable: 'HOLDFAST_TEST_ETCD_IMAGE',
  // Its images have no shell, which our containers begin with.
  image: null,
  imagePort: 2379,
  debianPackage: 'etcd-server',
};

/** Starts an etcd of this test's own, in about a second; or stands in front of the one that HOLDFAST_TEST_ETCD_URL names. */
export async function startEtcd(): Promise<EtcdServer> {
  const address = findAddress(etcdSpec);
  if (address) return AddressServer.open(etcdSpec, ['http'], address);
  return buildInPlace(etcdSpec, { count: 2 }, startEtcdIn);
}

async function startEtcdIn(place: ServerPlace): Promise<EtcdServer> {
  const [port, peerPort] = place.ports;
  if (port === undefined || peerPort === undefined) throw new RangeError('this place has too few ports');
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const settings = {
    'listen-client-urls': `http://${place.bindAddress}:${port}`,
    'advertise-client-urls': `http://127.0.0.1:${port}`,
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': `default=${peerUrl}`,
    // An election of one has nobody to wait for, and a lease may then be as short as a second.
    'heartbeat-interval': '20',
    'election-timeout': '200',
    logger: 'zap',
    'log-level': 'warn',
  };
  const plan: LaunchPlan = {
    files: {},
    args: (directory) => [
      // No test takes the machine's power away.
      '--unsafe-no-fsync',
      ...Object.entries({ 'data-dir': `${directory}/data`, ...settings }).flatMap(([name, value]) => [`--${name}`, value]),
    ],
    ports: [port],
    isReady: () => isHealthy(port),
  };
  const server = await place.start(plan);
  return Object.assign(server, { host: '127.0.0.1', port, url: `http://127.0.0.1:${port}` });
}

async function isHealthy(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(1_000) });
  return response.ok && (await response.text()).includes('true');
}
