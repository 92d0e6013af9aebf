import type { BenchLease, Library } from '../library.js';
import { isInstalled, load } from './installed-apart.js';

interface Module {
  readonly default: (connectionString: string) => (name: string) => { lock(): Promise<() => Promise<void>> };
}

/** advisory-lock: a connection of its own for each lock, in which the server lets it wait. */
export const advisoryLocks: readonly Library[] = isInstalled('advisory-lock')
  ? [
      {
        id: 'advisory-lock',
        title: 'advisory-lock 2.0',
        backend: 'postgres',
        role: 'peer',
        scenarios: ['uncontended', 'in-flight-64', 'local-contention', 'handover-8-processes'],
        async open(address) {
          const lockOf = (load('advisory-lock') as Module).default(address);
          return {
            async acquire(name): Promise<BenchLease> {
              const unlock = await lockOf(name).lock();
              return { release: unlock };
            },
            close: async () => undefined,
          };
        },
      },
    ]
  : [];
