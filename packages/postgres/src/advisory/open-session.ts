import { guardMs } from '@holdfast/core/backend';
import type { Connection } from '../connection.js';
import type { ConnectionSource } from '../connection-source.js';
import type { LeftSessions } from '../left-sessions.js';
import { unavailable, unavailableBecause } from '../postgres-error.js';
import type { Schema } from '../schema.js';
import { within } from '../within.js';
import { leftSessionsError, occupiedError, poolerError, ReplacedSessionError } from './session-line.js';
import { type ServerProcess, type SessionFacts, SessionSettings } from './session-settings.js';
import { endPredecessor, lookAtSession } from './statements.js';

const MIN_VERSION = 130_000;
const HEARD_MS = 1_000;

export interface OpeningOptions {
  readonly isPooled: boolean;
  readonly sessionMs: number;
  /** The channel on which every session listens. */
  readonly channel: string;
  /** Sessions of ours that were given up: whatever they still hold would be in our own way. */
  readonly predecessors: readonly ServerProcess[];
  /** Sessions that a pooler has passed on as they were left. */
  readonly left: LeftSessions;
}

/** A session on which locks can be taken. */
export interface OpenedSession {
  readonly connection: Connection;
  readonly facts: SessionFacts;
  readonly settings: SessionSettings;
}

/** Somebody of Holdfast has this session, or had it and died. */
class OccupiedSession extends Error {
  readonly processId: number;
  readonly idleMs: number;

  constructor(processId: number, idleMs: number) {
    super('the session is occupied');
    this.processId = processId;
    this.idleMs = idleMs;
  }
}

/**
 * Opens a connection, makes sure that locks can be taken on it, and only then makes it what a session of locks has to be: one that is
 * refused is left as it was found.
 *
 * @throws LockUnavailableError
 */
export async function openSession(
  source: ConnectionSource,
  schema: Schema,
  options: OpeningOptions,
  timeoutMs: number,
): Promise<OpenedSession> {
  const { left } = options;
  const endsAt = source.clock.now() + timeoutMs;
  let wasLeft = false;
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      const opened = await openOne(source, schema, options, Math.max(1, endsAt - source.clock.now()));
      if (opened !== null) return opened;
      wasLeft = true;
    } catch (error) {
      // A pooler whose sessions are all taken, also by those that are kept here, has none to give.
      if (wasLeft && source.clock.now() >= endsAt && !left.isEmpty) throw leftSessionsError();
      throw error;
    }
  }
}

/** @returns null when the session was found as somebody else's had left it, and is kept */
async function openOne(
  source: ConnectionSource,
  schema: Schema,
  options: OpeningOptions,
  timeoutMs: number,
): Promise<OpenedSession | null> {
  const connection = await source.open(timeoutMs);
  let settings: SessionSettings | null = null;
  try {
    const facts = await within(source.clock, timeoutMs, 'the server did not answer', look(connection, options));
    settings = new SessionSettings(connection, facts);
    await within(source.clock, timeoutMs, 'the server did not answer', prepare(connection, schema, settings, options));
    return { connection, facts, settings };
  } catch (error) {
    if (error instanceof OccupiedSession) return keepLeft(connection, error, options);
    if (error instanceof ReplacedSessionError) void settings?.abandon();
    else connection.destroy();
    throw error instanceof ReplacedSessionError ? poolerError() : unavailable(error);
  }
}

/** @throws LockUnavailableError where the session was not left, but is in use; and where no more can be kept */
function keepLeft(connection: Connection, { processId, idleMs }: OccupiedSession, { isPooled, left }: OpeningOptions): null {
  const isShared = left.has(processId);
  if (isPooled && !isShared && left.keep(connection, processId, idleMs)) return null;
  connection.destroy();
  // Two connections were led to one session: the pooler is none by the session, and the one who has the session may live.
  if (isShared) left.letGo();
  throw isPooled && !isShared ? leftSessionsError() : occupiedError();
}

async function look(connection: Connection, { isPooled, predecessors }: OpeningOptions): Promise<SessionFacts> {
  const [row] = await connection.query(lookAtSession);
  const processId = Number(row?.[0]);
  if (row === undefined || !Number.isSafeInteger(processId)) throw unavailableBecause('the server answered nonsense');
  if (!isPooled && connection.processId !== null && connection.processId !== processId) throw poolerRefused();
  if (Number(row[3]) < MIN_VERSION) {
    throw unavailableBecause('the server is older than PostgreSQL 13', { retryable: false });
  }
  const startedAt = row[4] ?? '0';
  // One of our own that a pooler has passed on as it was is ended before anything is taken.
  const isOurs = predecessors.some((one) => one.processId === processId && one.startedAt === startedAt);
  if (row[5] === 't' && !isOurs) throw new OccupiedSession(processId, Number(row[6] ?? 0));
  if (row[1] !== 'f') throw unavailableBecause('the server is a standby');
  // Replicas that confirm more than a flush are asked to as before; one that asked for less is asked for a flush.
  return { processId, startedAt, durability: row[2] === 'remote_apply' ? 'remote_apply' : 'on' };
}

async function prepare(connection: Connection, schema: Schema, settings: SessionSettings, options: OpeningOptions): Promise<void> {
  const { isPooled, sessionMs, predecessors, channel } = options;
  try {
    await settings.change({ ...SETTINGS, ...keepalive(sessionMs) });
    await schema.ensureOn(connection);
    for (const { processId, startedAt } of predecessors) await connection.query(endPredecessor, [String(processId), startedAt]);
    await settings.listen([channel], (statement) => connection.query(statement));
    await heard(connection, channel);
  } catch (error) {
    if (!(error instanceof ReplacedSessionError)) await settings.putBack();
    throw error;
  }
  connection.prepares = !isPooled;
}

/** Who asks holders hears their answers there; a session that hears none is better than none. */
async function heard(connection: Connection, channel: string): Promise<void> {
  const listening = connection.listenElsewhere(channel);
  await within(connection.clock, HEARD_MS, 'the server did not confirm LISTEN', listening).catch(() => {});
}

/** How the session is to be: rule 2 of the design. */
const SETTINGS: Readonly<Record<string, string>> = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  transaction_timeout: '0',
  synchronous_commit: 'off',
  default_transaction_read_only: 'off',
  client_min_messages: 'error',
  // A list of keys may have gaps.
  array_nulls: 'on',
  client_connection_check_interval: '1000',
};

/**
 * The server must not end a session before its holders have stopped to believe in it, and soon afterwards, when the
 * machine has vanished without a word, or the process stands still: it asks something each third of sessionMs.
 */
function keepalive(sessionMs: number): Readonly<Record<string, string>> {
  const totalMs = sessionMs + guardMs(sessionMs);
  const intervalS = Math.max(1, Math.ceil(totalMs / 5_000));
  const idleS = Math.max(1, Math.ceil(totalMs / 1_000) - 2 * intervalS);
  const silentMs = String(Math.ceil(totalMs) + 1_000 * intervalS);
  return {
    idle_session_timeout: silentMs,
    tcp_keepalives_idle: String(idleS),
    tcp_keepalives_interval: String(intervalS),
    tcp_keepalives_count: '3',
    tcp_user_timeout: silentMs,
  };
}

function poolerRefused(): Error {
  return unavailableBecause(
    'a connection pooler (PgBouncer or the like) is in front of the server. In transaction mode it would take session locks away without a ' +
      `word. Connect to the server directly, or say pooler: 'session' if it pools by the session, or use strategy: 'table'`,
    { retryable: false },
  );
}
