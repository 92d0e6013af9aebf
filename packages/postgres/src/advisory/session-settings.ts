import type { Clock } from '@holdfast/core';
import type { Connection, Row, Statement } from '../connection.js';
import { sqlState } from '../postgres-error.js';
import { within } from '../within.js';
import { occupiedError, ReplacedSessionError } from './session-line.js';
import { arrayOf, changeSettings, endIfIdle, onlyIfUnoccupied, onlyInProcess, putSettingsBack } from './statements.js';

/** The server process that has a session. The time of its start names it permanently: numbers are used again. */
export interface ServerProcess {
  readonly processId: number;
  readonly startedAt: string;
}

/** What a session was found to be when it was opened. */
export interface SessionFacts extends ServerProcess {
  /** The synchronous_commit that grants are committed with. */
  readonly durability: string;
}

type Send = (statement: Statement, values?: readonly string[]) => Promise<readonly Row[]>;

const DIVISION_BY_ZERO = '22012';
const NOT_A_NUMBER = '22P02';
/** Ten seconds: longer than most transactions take. */
const MAX_TRIES = 100;
const TRY_EVERY_MS = 100;
const ANSWER_MS = 2_000;

/**
 * What one session of locks has changed of itself. A pooler hands the server's session to its next client, who must find
 * nothing of ours in it: so nothing is changed before the session was found fit, and all of it is put back when it is left.
 */
export class SessionSettings {
  readonly #connection: Connection;
  readonly #process: ServerProcess;
  /** What each setting was; null: what it is where no session sets it. */
  readonly #former = new Map<string, string | null>();
  readonly #channels = new Set<string>();

  constructor(connection: Connection, process: ServerProcess) {
    this.#connection = connection;
    this.#process = process;
  }

  /** @throws ReplacedSessionError, before anything is changed, when another server process answers than the one that was looked at */
  async change(wanted: Readonly<Record<string, string>>): Promise<void> {
    const values = [arrayOf(Object.keys(wanted)), arrayOf(Object.values(wanted)), String(this.#process.processId)];
    const rows = await this.#connection.query(changeSettings, values);
    if (rows.length === 0) throw new ReplacedSessionError('another server process answered');
    for (const [name, before] of rows) this.#former.set(name ?? '', before ?? null);
  }

  /**
   * Where messages come over another connection nobody waits for that: what is missed until then is asked for when it listens.
   *
   * @throws ReplacedSessionError, before anything is changed
   */
  async listen(channels: readonly string[], send: Send): Promise<void> {
    if (this.#connection.listensElsewhere) {
      for (const channel of channels) void this.#connection.listenElsewhere(channel);
      return;
    }
    const text = channels.map((channel) => `LISTEN ${channel}`).join('; ');
    const isFirst = this.#channels.size === 0;
    // What is recorded is ended with the session, also where no answer came.
    for (const channel of channels) this.#channels.add(channel);
    try {
      await send(onlyInProcess(this.#process.processId, isFirst ? onlyIfUnoccupied(text) : text));
    } catch (error) {
      if (sqlState(error) === DIVISION_BY_ZERO) throw new ReplacedSessionError('another server process answered');
      if (sqlState(error) !== NOT_A_NUMBER) throw error;
      // These are the other session's.
      this.#channels.clear();
      throw occupiedError();
    }
  }

  /** Makes the session what it was. */
  async putBack(): Promise<void> {
    const channels = [...this.#channels];
    const { processId } = this.#process;
    if (channels.length > 0) {
      await this.#connection.query(onlyInProcess(processId, channels.map((channel) => `UNLISTEN ${channel}`).join('; ')));
      this.#channels.clear();
    }
    if (this.#former.size > 0) {
      const values = [arrayOf([...this.#former.keys()]), arrayOf([...this.#former.values()]), String(processId)];
      await this.#connection.query(putSettingsBack, values);
      this.#former.clear();
    }
  }

  /**
   * Another server process serves this connection now, and the one that has our settings and our locks serves the one who comes:
   * ends that one, as soon as it serves nobody. Never rejects, and ends the connection.
   */
  async abandon(): Promise<void> {
    try {
      for (let tries = 0; tries < MAX_TRIES && this.#former.size + this.#channels.size > 0; tries++) {
        if (tries > 0) await pause(this.#connection.clock, TRY_EVERY_MS);
        const values = [String(this.#process.processId), this.#process.startedAt];
        const [row] = await within(
          this.#connection.clock,
          ANSWER_MS,
          'the server did not answer',
          this.#connection.query(endIfIdle, values),
        );
        if (row === undefined || row[0] === 't') break;
      }
    } catch {
      // Nobody can speak to the server over this connection any more.
    }
    this.#connection.destroy();
  }
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(ms, resolve);
  });
}
