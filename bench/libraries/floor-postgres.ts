import { setImmediate } from 'node:timers/promises';
import type { Library } from '../library.js';
import { connectPostgres } from '../stores/postgres.js';

/** What no advisory lock can be faster than on one connection: try and free, a prepared statement each. */
export const floorPostgres: Library = {
  id: 'floor',
  title: 'floor: pg_try_advisory_lock, pg_advisory_unlock',
  backend: 'postgres',
  role: 'floor',
  scenarios: ['uncontended', 'in-flight-64'],
  async open(address) {
    const client = await connectPostgres(address);
    // A session gets its own lock a second time, so who has it here is known here.
    const held = new Set<string>();
    let last: Promise<unknown> = Promise.resolve();
    const ask = async (name: 'lock' | 'unlock', text: string, key: string): Promise<boolean> => {
      // The driver wants one statement at a time.
      const asked = last.then(() => client.query<{ done: boolean }>({ name, text, values: [key] }));
      last = asked.catch(() => undefined);
      return (await asked).rows[0]?.done === true;
    };
    return {
      async acquire(name) {
        for (;;) {
          if (!held.has(name)) {
            held.add(name);
            if (await ask('lock', 'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS done', name)) break;
            held.delete(name);
          }
          await setImmediate();
        }
        return {
          async release() {
            await ask('unlock', 'SELECT pg_advisory_unlock(hashtextextended($1, 0)) AS done', name);
            held.delete(name);
          },
        };
      },
      close: () => client.end(),
    };
  },
};
