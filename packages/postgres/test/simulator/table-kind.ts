import type { LockBackend } from '@holdfast/core';
import type { SimulatedClient, SimulatedStore, StoreKind } from '@holdfast/test/simulator';
import { backendOf } from '../../src/create-postgres-backend.js';
import { resolvePostgresOptions } from '../../src/postgres-options.js';
import { type TableMutant, tableMutants } from './mutants.js';
import { SimulatedPool } from './simulated-pool.js';
import { TableServer } from './table-server.js';

/** The real backend over the model of its statements. */
class TableStore extends TableServer implements SimulatedStore {
  connect(client: SimulatedClient): LockBackend<bigint> {
    this.joined(client);
    const options = resolvePostgresOptions('the simulator', { pool: new SimulatedPool(this, client), strategy: 'table' });
    // Only a table of ShedLock's has no fences.
    return backendOf(options, client.machine.clock) as LockBackend<bigint>;
  }
}

export const tableKind: StoreKind<TableMutant> = {
  name: 'table',
  traits: { expires: true, fair: false, duplicates: false, serverJumps: [-900, -200] },
  mutants: tableMutants,
  open: (setup) => new TableStore(setup),
};
