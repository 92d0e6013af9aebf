import type { FigureTable } from './figure-table.js';

/** Beyond this part of what a server can do, what waits for it grows faster than what it does. */
export const plannedShare = 0.6;
/** What a ttl is where nobody says; a renewal comes after a third of it. */
const defaultTtlMs = 30_000;

/** What one store can carry by its own CPU time, whatever the clients are. */
export interface Capacity {
  readonly store: string;
  /** What is counted: a node, or a core of a server whose connections are processes of their own. */
  readonly unit: string;
  /** CPU time of the unit for a lock taken and freed, in µs; one at a time, and 64 in flight. */
  readonly alone: number | null;
  readonly together: number | null;
  /** Locks a second that fill the unit, 64 in flight. */
  readonly most: number | null;
  readonly planned: number | null;
  /** What one client process of this run reached with 64 in flight. */
  readonly oneClient: number | null;
}

const units = [
  { store: 'Redis, a node', unit: 'node (one core)', backend: 'redis', library: 'holdfast', servers: 1 },
  { store: 'Redlock on 3 nodes', unit: 'node (one core)', backend: 'redlock', library: 'holdfast', servers: 3 },
  { store: 'PostgreSQL, `advisory`', unit: 'core', backend: 'postgres', library: 'holdfast', servers: 1 },
  { store: 'PostgreSQL, `table`', unit: 'core', backend: 'postgres', library: 'holdfast-table', servers: 1 },
  { store: 'ZooKeeper', unit: 'core', backend: 'zookeeper', library: 'holdfast', servers: 1 },
] as const;

/** One entry for each store. */
export function capacities(table: FigureTable): readonly Capacity[] {
  return units.map(({ store, unit, backend, library, servers }) => {
    const cpu = (scenario: string): number | null => over(table.value(`${scenario}/server-cpu`, backend, library), servers);
    const together = cpu('in-flight-64');
    const most = over(1e6, together);
    return {
      store,
      unit,
      alone: cpu('uncontended'),
      together,
      most,
      planned: times(most, plannedShare),
      oneClient: table.value('in-flight-64', backend, library),
    };
  });
}

/** What keeping and waiting cost a Redis node. */
export interface KeepingCost {
  /** CPU time of the node for a renewal, in µs. */
  readonly renewal: number | null;
  /** How many leases of the default ttl fill a tenth of a node with their renewals. */
  readonly leases: number | null;
  /** Commands a second of one process with waiters while nothing happens; however many wait in it. */
  readonly idleCommands: number | null;
  /** How many such processes fill a tenth of a node, when a command costs as much as a lock taken and freed, which is more than it does. */
  readonly processes: number | null;
}

const keptShare = 0.1;
const waitingProcesses = 4;

/** By the figures of `renew-10000` and `waiters-1000`. */
export function keepingCost(table: FigureTable): KeepingCost {
  const renewal = table.value('renew-10000/server-cpu', 'redis', 'holdfast');
  const idleCommands = over(table.value('waiters-1000', 'redis', 'holdfast'), waitingProcesses);
  const command = table.value('uncontended/server-cpu', 'redis', 'holdfast');
  const renewalsASecond = over(keptShare * 1e6, renewal);
  return {
    renewal,
    leases: times(renewalsASecond, defaultTtlMs / 3 / 1_000),
    idleCommands,
    processes: over(over(keptShare * 1e6, command), idleCommands),
  };
}

function over(value: number | null, by: number | null): number | null {
  return value === null || by === null || by === 0 ? null : value / by;
}

function times(value: number | null, by: number): number | null {
  return value === null ? null : value * by;
}
