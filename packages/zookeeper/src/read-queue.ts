import { parseNode, type QueueEntry } from './node-names.js';
import { byAge, LAST_SEQUENCE } from './queue-rules.js';
import type { Watcher } from './watch-table.js';
import { unlessRefused } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

type Reader = Pick<ZooKeeperSession, 'getChildren' | 'getData'>;

/**
 * The requests for one name, the oldest first; none where the name has no node.
 *
 * @param watcher notified once when one comes or goes
 */
export async function readQueue(session: Reader, parent: string, watcher?: Watcher): Promise<readonly QueueEntry[]> {
  const nodes = await unlessRefused(session.getChildren(parent, watcher), [], 'NO_NODE');
  const queue = nodes
    .map(parseNode)
    .filter((entry) => entry !== null)
    .sort(byAge);
  const tied = queue.filter(({ sequence }) => sequence === LAST_SEQUENCE);
  if (tied.length < 2) return queue;
  // The server counts no further and gives this number to all: what remains is the transactions that made them.
  const made = await Promise.all(
    tied.map(async (entry) => {
      const record = await unlessRefused(session.getData(`${parent}/${entry.node}`), null, 'NO_NODE');
      return record === null ? null : { entry, czxid: record.stat.czxid };
    }),
  );
  const ordered = made.filter((one) => one !== null).sort((a, b) => (a.czxid < b.czxid ? -1 : 1));
  return [...queue.filter(({ sequence }) => sequence !== LAST_SEQUENCE), ...ordered.map(({ entry }) => entry)];
}
