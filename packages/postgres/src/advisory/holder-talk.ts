import { randomBytes } from 'node:crypto';
import type { Clock } from '@holdfast/core';
import type { HoldSession } from './hold-session.js';
import type { LockKeys, NameKeys } from './lock-keys.js';
import { notify } from './statements.js';

/** What a holder is asked: to let go of a name, or to tell who has it. */
export type Question = 'free' | 'tell';
/** Answers a question; the text goes back to who asked. null: this session has nothing to do with it. */
export type Answerer = (question: Question, nameId: string, kind: string) => Promise<string | null>;

interface Asked {
  readonly waitingFor: Set<string>;
  readonly answers: Map<string, string>;
  wake(): void;
}

/**
 * Questions between sessions, by NOTIFY on one channel: PostgreSQL shows of another session's locks nothing but their
 * numbers, and can take none of them away. Nothing secret is ever said there: every role of the database may listen.
 */
export class HolderTalk {
  readonly #keys: LockKeys;
  readonly #clock: Clock;
  readonly #asked = new Map<string, Asked>();

  constructor(keys: LockKeys, clock: Clock) {
    this.#keys = keys;
    this.#clock = clock;
  }

  /**
   * Asks the sessions of these server processes.
   *
   * @param everyMs how often `look` is called meanwhile; those that it answers are not waited for any more
   * @returns what was answered; `silent` are those that did not answer in time
   */
  async ask(
    session: HoldSession,
    question: Question,
    keys: NameKeys,
    processIds: ReadonlySet<string>,
    options: { readonly timeoutMs: number; readonly everyMs?: number; readonly look?: () => Promise<Iterable<string>> },
  ): Promise<{ readonly answers: ReadonlyMap<string, string>; readonly silent: ReadonlySet<string> }> {
    const id = randomBytes(8).toString('hex');
    const asked: Asked = { waitingFor: new Set(processIds), answers: new Map(), wake: () => {} };
    this.#asked.set(id, asked);
    try {
      const end = this.#clock.now() + options.timeoutMs;
      await session.run(notify, [this.#keys.talkChannel, `ask ${id} ${question} ${keys.id} ${keys.kind}`]);
      for (;;) {
        const leftMs = end - this.#clock.now();
        if (asked.waitingFor.size === 0 || leftMs <= 0) return { answers: asked.answers, silent: asked.waitingFor };
        await pause(this.#clock, asked, Math.min(leftMs, options.everyMs ?? leftMs));
        if (asked.waitingFor.size > 0 && options.look !== undefined) {
          for (const processId of await options.look()) asked.waitingFor.delete(processId);
        }
      }
    } finally {
      this.#asked.delete(id);
    }
  }

  /** A message on the channel. Each of these sessions answers for itself. */
  hear(payload: string, sessions: readonly { readonly session: HoldSession; readonly answer: Answerer }[]): void {
    const [verb, id = '', first = '', second = '', third = ''] = payload.split(' ');
    if (verb === 'answer') {
      const asked = this.#asked.get(id);
      if (asked === undefined || !asked.waitingFor.delete(first)) return;
      asked.answers.set(first, second);
      asked.wake();
      return;
    }
    if (verb !== 'ask' || (first !== 'free' && first !== 'tell')) return;
    for (const { session, answer } of sessions) void this.#answer(session, id, answer(first, second, third));
  }

  /** Never rejects: a session that cannot answer any more has nothing left to tell. */
  async #answer(session: HoldSession, id: string, answer: Promise<string | null>): Promise<void> {
    try {
      const text = await answer;
      if (text !== null) await session.run(notify, [this.#keys.talkChannel, `answer ${id} ${session.facts.processId} ${text}`]);
    } catch {
      // The session has ended, and so have its holds.
    }
  }
}

function pause(clock: Clock, asked: Asked, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(ms, resolve);
    asked.wake = () => {
      timer.cancel();
      resolve();
    };
  });
}
