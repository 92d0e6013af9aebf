import { GrantLedger, notAfterFrom, type OpenGrant, surelyPastMs, windowMs } from '@holdfast/core/backend';
import type { Row, Statement } from '../connection.js';
import type { ConnectionSource } from '../connection-source.js';
import { ifSerializable } from '../if-serializable.js';
import { sqlState } from '../postgres-error.js';
import type { TimedRows } from './rows.js';

/** What the server's clock showed in an answer, and ours before the question was sent. */
interface Reading {
  readonly at: number;
  readonly server: number;
}

/** A statement that the server refuses as late, and for whom it is sent. */
export interface TimedRequest {
  readonly timeoutMs: number;
  /** Who may come to hold something by it; nobody where it only keeps what is held. */
  readonly owners: readonly string[];
}

/** Sends a statement with two further values: a moment of the server's clock, and how far ahead of that clock the moment may lie. */
export type SendTimed = (statement: Statement, values: readonly string[], request: TimedRequest) => Promise<TimedRows>;

/**
 * Requests that expire. A connection that was given up proves nothing: what it carried may still arrive, behind the release that
 * was to undo it. So whatever takes or keeps something is sent with a moment of the server's clock after which the server
 * refuses it, and a release says whether anything of its owner may still come.
 */
export class TimedStatements {
  readonly #source: ConnectionSource;
  readonly #grants = new GrantLedger();
  /** Owners whose attempt has not settled, and how many of them: something of it may be sent only now. */
  readonly #attempting = new Map<string, number>();
  readonly #readings = new WeakMap<TimedRows, Reading>();

  constructor(source: ConnectionSource) {
    this.#source = source;
  }

  /** Whatever `attempt` sends for these owners, no release is final before it has settled. */
  async attempting<T>(owners: readonly string[], attempt: () => Promise<T>): Promise<T> {
    const add = (owner: string, count: number): void => {
      const left = (this.#attempting.get(owner) ?? 0) + count;
      if (left > 0) this.#attempting.set(owner, left);
      else this.#attempting.delete(owner);
    };
    for (const owner of owners) add(owner, 1);
    try {
      return await attempt();
    } finally {
      for (const owner of owners) add(owner, -1);
    }
  }

  /** What the server refused as late is asked once more: by the time of that refusal, not by what others have heard meanwhile. */
  async twiceIfLate<T, A>(
    items: readonly T[],
    step: (items: readonly T[], send: SendTimed) => Promise<readonly (A | 'late')[]>,
  ): Promise<readonly (A | 'late')[]> {
    let last: TimedRows | undefined;
    const send = (some: readonly T[], after?: TimedRows): Promise<readonly (A | 'late')[]> =>
      step(some, async (...statement) => {
        last = await ifSerializable(() => this.#send(...statement, after));
        return last;
      });
    const answers = [...(await send(items))];
    const late = answers.flatMap((answer, index) => (answer === 'late' ? [index] : []));
    if (late.length === 0) return answers;
    const again = await send(
      late.flatMap((index) => items[index] ?? []),
      last,
    );
    for (const [place, answer] of again.entries()) answers[late[place] ?? 0] = answer;
    return answers;
  }

  #send(statement: Statement, values: readonly string[], { timeoutMs, owners }: TimedRequest, after?: TimedRows): Promise<TimedRows> {
    const { clock, serverClock } = this.#source;
    const refusal = after === undefined ? undefined : this.#readings.get(after);
    const window = windowMs(timeoutMs);
    return this.#source.borrow(timeoutMs, async (connection) => {
      const at = clock.now();
      const notAfter =
        refusal === undefined ? serverClock.notAfter(at, timeoutMs) : notAfterFrom(refusal.server, at - refusal.at, timeoutMs);
      for (const owner of owners) this.#grants.sent(owner, notAfter, null, at, at + surelyPastMs(timeoutMs));
      let isSure = false;
      try {
        const rows = await connection.query(statement, [...values, String(notAfter), String(window)]);
        isSure = true;
        const server = timeOf(rows[0]);
        serverClock.note(at, server, clock.now() - at, timeoutMs);
        const answer: TimedRows = { rows, isLate: (row) => timeOf(row) > notAfter || timeOf(row) < notAfter - window };
        this.#readings.set(answer, { at, server });
        return answer;
      } catch (error) {
        isSure = wasRolledBack(error);
        throw error;
      } finally {
        for (const owner of owners) this.#grants.settled(owner, isSure);
      }
    });
  }

  /** To be asked before a release is sent; what it answers tells whether the release was final, by its own time. */
  beforeRelease(owners: readonly string[]): (owner: string, serverMs: number) => boolean {
    const open = new Set(owners.filter((owner) => this.#attempting.has(owner)));
    const before = new Map<string, OpenGrant | undefined>(owners.map((owner) => [owner, this.#grants.releasing(owner)]));
    return (owner, serverMs) => !open.has(owner) && this.#grants.isFinal(owner, before.get(owner), null, serverMs);
  }
}

function timeOf(row: Row | undefined): number {
  return Number(row?.at(-1));
}

/** Whether the server has said that nothing of the statement was carried out. One whose session it ends may have been committed before. */
function wasRolledBack(error: unknown): boolean {
  const state = sqlState(error);
  return state !== null && !/^(?:08|57P)/.test(state);
}
