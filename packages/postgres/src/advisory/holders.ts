import { Buffer } from 'node:buffer';
import type { HolderState, HoldRef, LockState, LostReason } from '@holdfast/core';
import type { Row } from '../connection.js';
import { unavailableBecause } from '../postgres-error.js';
import type { HoldSession } from './hold-session.js';
import { holderOf } from './hold-table.js';
import type { Answerer, HolderTalk } from './holder-talk.js';
import { MAX_SLOTS, type NameKeys } from './lock-keys.js';
import { findHolders } from './statements.js';
import type { WaitList } from './wait-list.js';

/** How often it is looked whether a holder that does not answer has let go, or gone. */
const LOOK_EVERY_MS = 100;
/** So long a look at a name waits for what only its holders know. */
const TELL_MS = 300;
/** A message holds 8,000 bytes. */
const MAX_TEXT = 7_500;

/** Who holds a name, over all sessions: seen in pg_locks, reported by the holders themselves. */
export class Holders {
  readonly #talk: HolderTalk;
  readonly #waitList: WaitList;
  readonly #onLost: (hold: HoldRef, reason: LostReason) => void;

  constructor(talk: HolderTalk, waitList: WaitList, onLost: (hold: HoldRef, reason: LostReason) => void) {
    this.#talk = talk;
    this.#waitList = waitList;
    this.#onLost = onLost;
  }

  /** A holder that does not answer is shown all the same, without its label and token. */
  async inspect(session: HoldSession, keys: NameKeys, timeoutMs: number): Promise<LockState> {
    const { name, kind } = keys;
    const last = kind === 'semaphore' ? lastSlot(keys) : keys.main;
    const counters = kind === 'read-write' ? [keys.readers, keys.readers + BigInt(MAX_SLOTS)] : [1n, 0n];
    const rows = await session.run(findHolders, [keys.main, last, ...counters, keys.announcement].map(String));
    const others = rows.filter(([processId]) => processId !== String(session.facts.processId));
    const isAnnouncement = (row: Row): boolean => BigInt(row[1] ?? 0) === keys.announcement;
    const waiters = others.filter(isAnnouncement).length + this.#waitList.count(keys);
    const held = new Map<string, Row[]>();
    for (const row of others) {
      if (!isAnnouncement(row)) held.set(row[0] ?? '', [...(held.get(row[0] ?? '') ?? []), row]);
    }
    const holders = session.table.holdsOf(keys).map(holderOf);
    if (held.size > 0) {
      const { answers } = await this.#talk.ask(session, 'tell', keys, new Set(held.keys()), {
        timeoutMs: Math.min(TELL_MS, timeoutMs / 2),
      });
      for (const [processId, keysOfIt] of held) holders.push(...(readHolders(answers.get(processId)) ?? unknownHolders(keysOfIt, keys)));
    }
    return { name, kind, held: holders.length > 0, holders, waiters };
  }

  /**
   * PostgreSQL cannot take a session's lock away, so its holder is asked to let go.
   *
   * @returns whether anybody held it
   * @throws LockUnavailableError when a holder does not answer, with what ends its session
   */
  async forceRelease(session: HoldSession, keys: NameKeys, timeoutMs: number): Promise<boolean> {
    const own = await this.#letGo(session, keys);
    const others = await holdersOf(session, keys);
    if (others.size === 0) return own > 0;
    const { silent } = await this.#talk.ask(session, 'free', keys, others, {
      timeoutMs: timeoutMs * 0.9,
      everyMs: LOOK_EVERY_MS,
      look: async () => {
        const still = await holdersOf(session, keys);
        return [...others].filter((processId) => !still.has(processId));
      },
    });
    if (silent.size > 0) throw unanswered(keys, silent);
    return true;
  }

  /** How a session of this backend answers what others ask. */
  answererFor(session: HoldSession): Answerer {
    return async (question, nameId, kind) => {
      const holds = session.table.holdsOf({ id: nameId }).filter(({ keys }) => keys.kind === kind);
      const [first] = holds;
      if (first === undefined) return null;
      if (question === 'tell') return writeHolders(holds.map(holderOf));
      await this.#letGo(session, first.keys);
      return 'freed';
    };
  }

  /** Every holder is notified before the first hold is freed: none may learn it from the next one. */
  async #letGo(session: HoldSession, keys: NameKeys): Promise<number> {
    const holds = session.table.holdsOf(keys);
    for (const { ref } of holds) this.#onLost(ref, 'forced');
    await Promise.all(holds.map(({ ref }) => session.release(ref)));
    return holds.length;
  }
}

/** The server processes that hold a key of this name, without the session itself. */
async function holdersOf(session: HoldSession, keys: NameKeys): Promise<ReadonlySet<string>> {
  const last = keys.kind === 'semaphore' ? lastSlot(keys) : keys.main;
  const rows = await session.run(findHolders, [keys.main, last, 1n, 0n, keys.main].map(String));
  const own = String(session.facts.processId);
  return new Set(rows.flatMap(([processId]) => (processId === null || processId === undefined || processId === own ? [] : [processId])));
}

function lastSlot(keys: NameKeys): bigint {
  return keys.main + BigInt(MAX_SLOTS) - 1n;
}

/** As text without spaces. What does not fit goes without its label. */
function writeHolders(holders: readonly HolderState[]): string {
  const write = (withLabels: boolean): string => {
    const list = holders.map(({ mode, permits, fencingToken, label }) => [mode, permits, String(fencingToken), withLabels ? label : null]);
    return Buffer.from(JSON.stringify(list), 'utf8').toString('base64url');
  };
  const text = write(true);
  return text.length <= MAX_TEXT ? text : write(false).slice(0, MAX_TEXT);
}

/** null for what is no such text: another program may speak on the channel. */
function readHolders(text: string | undefined): readonly HolderState[] | null {
  if (text === undefined) return null;
  try {
    const list = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as readonly (readonly unknown[])[];
    return list.map(([mode, permits, token, label]) => ({
      label: typeof label === 'string' ? label : null,
      mode: readMode(mode),
      permits: Number(permits),
      remainingMs: null,
      fencingToken: token === 'null' ? null : BigInt(String(token)),
    }));
  } catch {
    return null;
  }
}

function readMode(value: unknown): HolderState['mode'] {
  if (value === 'exclusive' || value === 'read' || value === 'write' || value === 'permits') return value;
  throw new TypeError('no mode');
}

/** What the keys of one session alone tell. */
function unknownHolders(rows: readonly Row[], { kind }: NameKeys): readonly HolderState[] {
  const unknown = (mode: HolderState['mode'], permits: number): HolderState => ({
    label: null,
    mode,
    permits,
    remainingMs: null,
    fencingToken: null,
  });
  if (kind === 'semaphore') return [unknown('permits', rows.length)];
  return rows.map((row) => unknown(kind === 'lock' ? 'exclusive' : row[2] === 'ExclusiveLock' ? 'write' : 'read', 1));
}

function unanswered(keys: NameKeys, processIds: ReadonlySet<string>): Error {
  return unavailableBecause(
    `the holder did not let go when it was asked. Ending its session frees this and everything else that it holds: ` +
      `select pg_terminate_backend(${[...processIds].join('), pg_terminate_backend(')})`,
    { lockName: keys.name },
  );
}
