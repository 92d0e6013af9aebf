import { countingManagers, type Servers } from './counting-managers.js';

/** Waits three times on each store for what somebody else holds, until it is killed. */
const [servers = '', name = ''] = process.argv.slice(2);
for (const manager of Object.values(countingManagers(JSON.parse(servers) as Servers))) {
  for (let count = 0; count < 3; count += 1) void manager.acquire(name);
}
