import type { Clock } from '@holdfast/core';
import type { Connection, Row, Statement } from '../connection.js';
import { unavailable, unavailableBecause } from '../postgres-error.js';

/** A statement that is unanswered for so long makes its session suspect. */
const SUSPECT_AFTER_MS = 2_000;

/** What a session hears from its line. */
export interface LineListener {
  /** Nothing has been heard for a while: the one who can should go elsewhere. */
  onSilence(): void;
  /** It speaks again. */
  onSpeech(): void;
}

/** Statements on one connection, and how long it has been silent. */
export class SessionLine {
  readonly #connection: Connection;
  readonly #processId: number;
  readonly #listener: LineListener;
  readonly #clock: Clock;
  #lastHeardAt: number;
  #isSilent = false;

  constructor(connection: Connection, processId: number, listener: LineListener) {
    this.#connection = connection;
    this.#processId = processId;
    this.#listener = listener;
    this.#clock = connection.clock;
    this.#lastHeardAt = this.#clock.now();
  }

  get isSilent(): boolean {
    return this.#isSilent;
  }

  get silentMs(): number {
    return this.#clock.now() - this.#lastHeardAt;
  }

  get isEnded(): boolean {
    return this.#connection.isEnded;
  }

  async send(statement: Statement, values: readonly string[] = []): Promise<readonly Row[]> {
    const timer = this.#clock.setTimer(SUSPECT_AFTER_MS, () => {
      this.#isSilent = true;
      this.#listener.onSilence();
    });
    try {
      return await this.#connection.query(statement, values);
    } finally {
      timer.cancel();
      if (!this.#connection.isEnded) this.#heard();
    }
  }

  /** Another server process than the session's has answered: what we held is held by nobody we can speak to. */
  checkProcess(processId: string | null | undefined): void {
    if (Number(processId) === this.#processId) return;
    throw replacedError();
  }

  #heard(): void {
    this.#lastHeardAt = this.#clock.now();
    if (!this.#isSilent) return;
    this.#isSilent = false;
    this.#listener.onSpeech();
  }
}

export class ReplacedSessionError extends Error {}

function replacedError(): ReplacedSessionError {
  return new ReplacedSessionError('another server process answered');
}

/** What a caller hears of it. */
export function poolerError(): Error {
  return unavailableBecause(
    'another server process answered than the one that holds our locks: a pooler in transaction mode is in between, which takes ' +
      `session locks away without a word. Connect directly, let the pooler run in session mode, or use strategy 'table'`,
    { retryable: false },
  );
}

/** One server session for two of ours would be granted twice what it has once. */
export function occupiedError(): Error {
  return unavailableBecause(
    'the server process that answers has a session of Holdfast already: a pooler in between pools by the transaction, or passes sessions on ' +
      `as they were left. Connect directly, let the pooler run in session mode (PgBouncer: with server_reset_query = DISCARD ALL), or use strategy 'table'`,
    { retryable: false },
  );
}

/** A pooler has passed on as many sessions as may be kept, or has no other to give. */
export function leftSessionsError(): Error {
  return unavailableBecause(
    'the pooler passes sessions on as clients of Holdfast that have died left them, with their locks; the server ends them when they have been idle ' +
      'for long enough. Set server_reset_query = DISCARD ALL in PgBouncer, or what resets a session in another pooler',
  );
}

/** What a caller hears of a statement that failed. */
export function reported(error: unknown): Error {
  return error instanceof ReplacedSessionError ? poolerError() : unavailable(error);
}
