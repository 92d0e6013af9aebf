import { createElection } from '@holdfast/election';
import { createRedisLockManager } from '@holdfast/redis';
import { Redis } from 'ioredis';

/** What a process says: who leads where, and what the register said to a leader's write. */
export interface CandidateNews {
  readonly leading?: number;
  readonly term?: bigint;
  readonly ended?: string;
  readonly isResolved?: boolean;
}

// Several candidates of one process. A leader appends its term to a list for as long as it leads: what the list shows is who wrote when.
const [url = '', name = '', count = '1', ttlMs = '2000'] = process.argv.slice(2);
const locks = createRedisLockManager({ url, commandTimeoutMs: 500 });
const writer = new Redis(url);
const stop = new AbortController();
process.on('message', (message) => {
  if (message === 'stop') stop.abort(new Error('stop'));
});

const tell = (news: CandidateNews): void => void process.send?.(news);
await Promise.all(
  Array.from({ length: Number(count) }, async (_, index) => {
    const election = createElection(locks, name, { ttlMs: Number(ttlMs), retryMs: 50 });
    await election.run(
      async ({ lease, signal }) => {
        tell({ leading: index, term: lease.fencingToken });
        // Looks at its lease before each write, as everybody should; only the register can refuse what comes too late.
        while (!signal.aborted && lease.isHeld) {
          await writer.rpush(`${name}:writes`, `${lease.fencingToken}`);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        tell({ ended: String(signal.reason), term: lease.fencingToken });
      },
      { signal: stop.signal },
    );
  }),
);
await locks.close();
writer.disconnect();
tell({ isResolved: true });
process.disconnect();
