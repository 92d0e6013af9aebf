import type { Connection } from '../connection.js';
import type { ConnectionSource } from '../connection-source.js';
import { unavailable, unavailableBecause } from '../postgres-error.js';
import type { Schema } from '../schema.js';
import { within } from '../within.js';
import type { SessionFacts } from './hold-session.js';
import { beginSession, endPredecessor } from './statements.js';

const MIN_VERSION = 130_000;

/** A session that was given up and may still stand on the server. */
export type Predecessor = Pick<SessionFacts, 'processId' | 'startedAt'>;

export interface OpeningOptions {
  readonly isPooled: boolean;
  readonly sessionMs: number;
  /** The channel on which every session listens. */
  readonly channel: string;
  /** Sessions of ours that were given up: whatever they still hold would be in our own way. */
  readonly predecessors: readonly Predecessor[];
}

/**
 * Opens a connection, makes sure that locks can be taken on it, and makes it what a session of locks has to be.
 *
 * @throws LockUnavailableError
 */
export async function openSession(
  source: ConnectionSource,
  schema: Schema,
  options: OpeningOptions,
  timeoutMs: number,
): Promise<{ readonly connection: Connection; readonly facts: SessionFacts }> {
  const connection = await source.open(timeoutMs);
  try {
    const facts = await within(timeoutMs, 'the server did not answer', begin(connection, schema, options));
    return { connection, facts };
  } catch (error) {
    connection.destroy();
    throw unavailable(error);
  }
}

async function begin(connection: Connection, schema: Schema, options: OpeningOptions): Promise<SessionFacts> {
  const { isPooled, sessionMs, predecessors, channel } = options;
  const [row] = await connection.query(beginSession, keepalive(sessionMs));
  const processId = Number(row?.[0]);
  if (row === undefined || !Number.isSafeInteger(processId)) throw unavailableBecause('the server answered nonsense');
  if (!isPooled && connection.processId !== null && connection.processId !== processId) throw poolerRefused();
  if (Number(row[3]) < MIN_VERSION) {
    throw unavailableBecause('the server is older than PostgreSQL 13', { retryable: false });
  }
  if (row[1] !== 'f') throw unavailableBecause('the server is a standby');
  await schema.ensureOn(connection);
  for (const { processId: pid, startedAt } of predecessors) await connection.query(endPredecessor, [String(pid), startedAt]);
  await connection.query({ text: `LISTEN ${channel}` });
  connection.prepares = !isPooled;
  // Replicas that confirm more than a flush are asked to as before; one that asked for less is asked for a flush.
  return { processId, startedAt: row[5] ?? '', durability: row[2] === 'remote_apply' ? 'remote_apply' : 'on' };
}

/**
 * The server must not end a session before its holders have stopped to believe in it, and soon afterwards, when the
 * machine has vanished without a word, or the process stands still: it asks something each third of sessionMs.
 */
function keepalive(sessionMs: number): readonly string[] {
  const totalMs = sessionMs + Math.min(Math.max(sessionMs / 10, 100), 1_000);
  const intervalS = Math.max(1, Math.ceil(totalMs / 5_000));
  const idleS = Math.max(1, Math.ceil(totalMs / 1_000) - 2 * intervalS);
  const silentMs = String(Math.ceil(totalMs) + 1_000 * intervalS);
  return [String(idleS), String(intervalS), silentMs, silentMs];
}

function poolerRefused(): Error {
  return unavailableBecause(
    'a connection pooler (PgBouncer or the like) is in front of the server. In transaction mode it would take session locks away without a ' +
      `word. Connect to the server directly, or say pooler: 'session' if it pools by the session, or use strategy: 'table'`,
    { retryable: false },
  );
}
