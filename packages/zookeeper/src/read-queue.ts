import { parseNode, type QueueEntry } from './node-names.js';
import { byAge, LAST_SEQUENCE } from './queue-rules.js';
import type { Watcher } from './watch-table.js';
import { isCode } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

type Reader = Pick<ZooKeeperSession, 'getChildren' | 'getData'>;

/**
 * The requests for one name, the oldest first; none where the name has no node.
 *
 * @param watcher notified once when one comes or goes
 */
export async function readQueue(session: Reader, parent: string, watcher?: Watcher): Promise<readonly QueueEntry[]> {
  let nodes: readonly string[];
  try {
    nodes = await session.getChildren(parent, watcher);
  } catch (error) {
    if (isCode(error, 'NO_NODE')) return [];
    throw error;
  }
  const queue = nodes
    .map(parseNode)
    .filter((entry) => entry !== null)
    .sort(byAge);
  const tied = queue.filter(({ sequence }) => sequence === LAST_SEQUENCE);
  if (tied.length < 2) return queue;
  // The server counts no further and gives this number to all: what remains is the transactions that made them.
  const made = await Promise.all(tied.map((entry) => creationOf(session, parent, entry)));
  const ordered = made.filter((one) => one !== null).sort((a, b) => (a.czxid < b.czxid ? -1 : 1));
  return [...queue.filter(({ sequence }) => sequence !== LAST_SEQUENCE), ...ordered.map(({ entry }) => entry)];
}

async function creationOf(
  session: Reader,
  parent: string,
  entry: QueueEntry,
): Promise<{ readonly entry: QueueEntry; readonly czxid: bigint } | null> {
  try {
    const { stat } = await session.getData(`${parent}/${entry.node}`);
    return { entry, czxid: stat.czxid };
  } catch (error) {
    if (isCode(error, 'NO_NODE')) return null;
    throw error;
  }
}
