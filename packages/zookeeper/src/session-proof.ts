import type { Clock, Stamp } from '@holdfast/core';
import { elapsedSince, stampOf } from '@holdfast/core/backend';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** A write that was acknowledged is proof enough of the session for a grant while it is not older than this. */
const FRESH_MS = 1_000;
/** And not older than this part of what was asked for, which counts from that write. */
const FRESH_PART = 20;

/**
 * Whose turn comes by a watch, long after the request came here: only a fresh write shows that the session still stands. The session's last one
 * will do, while it is young; otherwise one goes out, beside a look at the queue where there is one, and a removal of the node before that
 * write is reported before its answer.
 *
 * @returns from before the write
 */
export async function proofOf(
  session: Pick<ZooKeeperSession, 'written' | 'believedMs' | 'beat'>,
  ttlMs: number,
  clock: Clock,
): Promise<Stamp> {
  const { written, believedMs } = session;
  const freshMs = Math.min(FRESH_MS, Math.min(ttlMs, believedMs) / FRESH_PART);
  if (written !== null && elapsedSince(clock, written) < freshMs) return written;
  const stamp = stampOf(clock);
  await session.beat();
  return stamp;
}
