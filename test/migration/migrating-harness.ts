import { randomBytes } from 'node:crypto';
import { type CallContext, createLockManager, type LockBackend, type LockManager, type ManagerOptions, systemClock } from '@holdfast/core';
import {
  type ConformanceHarness,
  type ConformanceSetup,
  type InjectedFaults,
  injectFaults,
  type LateDelivery,
  lateDelivery,
} from '@holdfast/core/conformance';
import { createMigratingLockManager, type MigrationPhase } from '@holdfast/migration';
import { startTcpProxy, type TcpProxy, until } from '@holdfast/test/servers';

/** How one side is reached: its server, and a backend over a connection to it. `scope` keeps one case apart from another. */
export interface SideSpec {
  readonly server: () => { readonly url: string; readonly port: number };
  readonly open: (url: string, scope: string) => LockBackend;
}

interface Side {
  readonly proxy: TcpProxy;
  readonly faults: InjectedFaults;
  readonly manager: LockManager;
}

/** The suite on a manager that migrates between two real stores, each through a proxy, so that faults happen on the wire. */
export function realMigratingHarness(name: string, phase: MigrationPhase, from: SideSpec, to: SideSpec): ConformanceHarness {
  return {
    name,
    faults: ['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'requests', 'crash', 'deliverLate'],
    async setup(managerOptions): Promise<ConformanceSetup> {
      const scope = `m-${randomBytes(6).toString('hex')}`;
      const proxies: TcpProxy[] = [];
      const managers = new Map<LockManager, readonly Side[]>();
      const openSide = async (spec: SideSpec, which: string, options: ManagerOptions): Promise<Side> => {
        const { url, port } = spec.server();
        const proxy = await startTcpProxy({ target: port });
        proxies.push(proxy);
        const { backend, faults } = injectFaults(spec.open(proxy.urlFor(url), `${scope}-${which}`));
        await makeContact(backend);
        const { commandTimeoutMs, unavailableAfterMs, clock } = options;
        return { proxy, faults, manager: createLockManager(backend, { commandTimeoutMs, unavailableAfterMs, clock }) };
      };
      const open = async (options: ManagerOptions = {}): Promise<LockManager> => {
        const sides = await Promise.all([openSide(from, 'from', options), openSide(to, 'to', options)]);
        const manager = createMigratingLockManager({ from: sides[0].manager, to: sides[1].manager, phase, ...options });
        managers.set(manager, sides);
        return manager;
      };
      const manager = await open(managerOptions);
      const sides = managers.get(manager) ?? [];
      const both = async (disturb: (side: Side) => Promise<void>): Promise<void> => {
        await Promise.all(sides.map(disturb));
      };
      return {
        manager,
        peer: open,
        faults: {
          // A session store ends its holds with the connection, which is another fault: here only requests are refused.
          disconnect: () => both(({ faults }) => faults.disconnect()),
          reconnect: () => both(({ faults }) => faults.reconnect()),
          freeze: () => both(async ({ proxy }) => proxy.silence()),
          thaw: () => both(({ proxy }) => proxy.restore()),
          // Each case loses the reply of one of the two, by chance of its name.
          loseNextReply: async () => await sides[scope.charCodeAt(2) % 2]?.faults.loseNextReply(),
          async requests() {
            const counts = await Promise.all(sides.map(({ faults }) => faults.requests()));
            return counts.reduce((sum, count) => sum + count, 0);
          },
          deliverLate: async () => lateOnEither(sides.map(({ proxy }) => proxy)),
          crash: async (peer) => {
            await Promise.all((managers.get(peer) ?? []).map(({ proxy }) => proxy.refuse()));
          },
        },
        async close() {
          await Promise.all(proxies.map((proxy) => proxy.restore()));
          await Promise.all([...managers.keys()].map((one) => one.close()));
          await Promise.all(proxies.map((proxy) => proxy.close()));
        },
      };
    },
  };
}

/** One side is asked after the other: what is late to the first is never sent to the second. */
function lateOnEither(proxies: readonly TcpProxy[]): LateDelivery {
  return {
    ...lateDelivery(proxies),
    taken: () => until('a request is on its way to one of the sides', () => proxies.some((proxy) => proxy.held > 0)),
  };
}

/** Cases time waits, not connections. */
async function makeContact(backend: LockBackend): Promise<void> {
  const call: CallContext = { timeoutMs: 5_000, signal: new AbortController().signal, clock: systemClock };
  const [owner, name] = [randomBytes(16).toString('hex'), `contact-${randomBytes(6).toString('hex')}`];
  await backend.attempt([{ name, owner, label: 'contact', ttlMs: 10_000, mode: 'exclusive' }], call);
  await backend.release([{ name, owner, mode: 'exclusive' }], call);
}
