import { type ReservedPort, reservePort } from '@holdfast/core/conformance';
import { BinaryRunner } from './binary-runner.js';
import { ContainerNetwork, ContainerRunner } from './container-runner.js';
import { findProcessSource } from './find-source.js';
import { OwnServer } from './server-handle.js';
import type { LaunchPlan, ServerRunner, ServerSpec } from './server-spec.js';

/** Where the processes of one server or one cluster run: its ports are reserved, nothing is started yet. */
export interface ServerPlace {
  readonly ports: readonly number[];
  /** What a server has to listen on so that the tests reach it on 127.0.0.1. */
  readonly bindAddress: '127.0.0.1' | '0.0.0.0';
  /** Starts one process and waits until it answers. */
  start(plan: LaunchPlan): Promise<OwnServer>;
  /** Ends what was started and gives the ports back. */
  close(): Promise<void>;
}

const PORT_TRIES = 5;
/** What servers and container engines say when somebody else listens on a port already. */
const PORT_TAKEN = /address already in use|EADDRINUSE|port is already allocated/i;

/**
 * Finds a place with `count` ports and lets `build` start its servers there; begins again with other ports when one was taken by a
 * program that knows nothing of our reservations. What `build` leaves behind when it fails is ended.
 */
export async function buildInPlace<T>(
  spec: ServerSpec,
  ports: { readonly count: number; readonly alsoFree?: readonly number[] },
  build: (place: ServerPlace) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    let place: ServerPlace | null = null;
    try {
      place = await openPlace(spec, ports.count, ports.alsoFree ?? []);
      return await build(place);
    } catch (error) {
      await place?.close();
      if (attempt === PORT_TRIES || !(error instanceof Error && PORT_TAKEN.test(error.message))) throw error;
    }
  }
}

async function openPlace(spec: ServerSpec, count: number, alsoFree: readonly number[]): Promise<ServerPlace> {
  const source = await findProcessSource(spec);
  const reserved: ReservedPort[] = [];
  for (let index = 0; index < count; index += 1) reserved.push(await reservePort(alsoFree));
  const ports = reserved.map(({ port }) => port);
  const network = await openNetwork();
  const servers = new Set<OwnServer>();
  let closed = false;
  let freed: Promise<void> | null = null;

  async function openNetwork(): Promise<ContainerNetwork | null> {
    if (source.kind === 'binary') return null;
    try {
      return await ContainerNetwork.create(spec, source.image, ports);
    } catch (error) {
      for (const port of reserved) port.release();
      throw error;
    }
  }
  const free = (): Promise<void> => {
    freed ??= (async () => {
      await network?.close();
      for (const port of reserved) port.release();
    })();
    return freed;
  };
  const createRunner = async (plan: LaunchPlan): Promise<ServerRunner> => {
    if (source.kind === 'binary') return BinaryRunner.create(spec, spec.launcher ?? source.program, plan);
    if (!network) throw new Error('a container needs its network');
    return new ContainerRunner(spec, source.image, plan, network);
  };

  return {
    ports,
    bindAddress: network ? '0.0.0.0' : '127.0.0.1',
    async start(plan) {
      const runner = await createRunner(plan);
      // When one server of a cluster fails to start, the place is closed while others are still on their way.
      if (closed) {
        await runner.dispose();
        throw new Error(`this place for ${spec.title} was closed`);
      }
      const server = new OwnServer(spec.title, runner, plan, async () => {
        servers.delete(server);
        if (servers.size === 0) await free();
      });
      servers.add(server);
      await server.start();
      return server;
    },
    async close() {
      closed = true;
      await Promise.all([...servers].map((server) => server.close()));
      await free();
    },
  };
}
