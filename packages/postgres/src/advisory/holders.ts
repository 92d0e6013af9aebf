import { Buffer } from 'node:buffer';
import type { Clock, HolderState, HoldRef, LockState, LostReason } from '@holdfast/core';
import type { Row } from '../connection.js';
import { unavailableBecause } from '../postgres-error.js';
import type { HoldSession } from './hold-session.js';
import { type Hold, holderOf } from './hold-table.js';
import type { Answerer, HolderTalk } from './holder-talk.js';
import { MAX_SLOTS, type NameKeys } from './lock-keys.js';
import { findHolders } from './statements.js';
import type { WaitersHere, WaitList } from './wait-list.js';

/** How often it is looked whether a holder that does not answer has let go, or gone. */
const LOOK_EVERY_MS = 100;
/** So long a look at a name waits for what only its holders know. */
const TELL_MS = 300;
/** A message holds 8,000 bytes. */
const MAX_TEXT = 7_500;

/** What one session says of a name: what it holds, and who waits in its process. */
interface SessionWord extends WaitersHere {
  readonly holders: readonly HolderState[];
}

/** Who holds a name, and how many wait, over all sessions: seen in pg_locks, and said by the sessions themselves. */
export class Holders {
  readonly #talk: HolderTalk;
  readonly #waitList: WaitList;
  readonly #clock: Clock;
  readonly #onLost: (hold: HoldRef, reason: LostReason) => void;

  constructor(talk: HolderTalk, waitList: WaitList, clock: Clock, onLost: (hold: HoldRef, reason: LostReason) => void) {
    this.#talk = talk;
    this.#waitList = waitList;
    this.#clock = clock;
    this.#onLost = onLost;
  }

  /**
   * A holder that does not answer is still shown, without its label and token. Who waits in a session that does not answer is not known:
   * the server shows that somebody waits there, and not how many.
   */
  async inspect(session: HoldSession, keys: NameKeys, timeoutMs: number): Promise<LockState> {
    const { name, kind } = keys;
    const last = kind === 'semaphore' ? lastSlot(keys) : keys.main;
    const counters = kind === 'read-write' ? [keys.readers, keys.readers + BigInt(MAX_SLOTS)] : [1n, 0n];
    const rows = await session.run(findHolders, [keys.main, last, ...counters, keys.announcement].map(String));
    const bySession = new Map<string, Row[]>();
    for (const row of rows) {
      const processId = row[0] ?? '';
      if (processId !== String(session.facts.processId)) bySession.set(processId, [...(bySession.get(processId) ?? []), row]);
    }
    const holders = this.#shown(session.table.holdsOf(keys));
    const waits: (WaitersHere | null)[] = [this.#waitList.waitersOf(keys)];
    if (bySession.size > 0) {
      const { answers } = await this.#talk.ask(session, 'tell', keys, new Set(bySession.keys()), {
        timeoutMs: Math.min(TELL_MS, timeoutMs / 2),
      });
      for (const [processId, keysOfIt] of bySession) {
        const word = readWord(answers.get(processId));
        const held = keysOfIt.filter((row) => BigInt(row[1] ?? 0) !== keys.announcement);
        if (held.length > 0) holders.push(...(word?.holders ?? unknownHolders(held, keys)));
        // A session that holds and does not answer is seen to wait only if it has announced itself.
        if (word !== null || held.length < keysOfIt.length) waits.push(word);
      }
    }
    return { name, kind, held: holders.length > 0, holders, ...sumOf(waits) };
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
      if (question === 'tell') {
        const here = this.#waitList.waitersOf({ id: nameId });
        return first === undefined && here.waiters === 0 ? null : writeWord({ holders: this.#shown(holds), ...here });
      }
      if (first === undefined) return null;
      await this.#letGo(session, first.keys);
      return 'freed';
    };
  }

  #shown(holds: readonly Hold[]): HolderState[] {
    const now = this.#clock.now();
    return holds.map((hold) => holderOf(hold, now));
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

/** As text without spaces. What does not fit goes without its label, and at last without holders. */
function writeWord({ holders, waiters, oldestWaitMs }: SessionWord): string {
  const write = (shown: readonly HolderState[], withLabels: boolean): string => {
    const list = shown.map(({ mode, permits, fencingToken, label, heldMs }) => [
      mode,
      permits,
      String(fencingToken),
      withLabels ? label : null,
      heldMs ?? null,
    ]);
    return Buffer.from(JSON.stringify({ holders: list, waiters, oldestWaitMs }), 'utf8').toString('base64url');
  };
  const texts = [write(holders, true), write(holders, false), write([], false)];
  return texts.find((text) => text.length <= MAX_TEXT) ?? '';
}

/** null for what is no such text: another program may speak on the channel. */
function readWord(text: string | undefined): SessionWord | null {
  if (text === undefined) return null;
  try {
    const word = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as {
      readonly holders: readonly (readonly unknown[])[];
      readonly waiters: unknown;
      readonly oldestWaitMs: unknown;
    };
    const holders = word.holders.map(([mode, permits, token, label, heldMs]) => ({
      label: typeof label === 'string' ? label : null,
      mode: readMode(mode),
      permits: Number(permits),
      remainingMs: null,
      fencingToken: token === 'null' ? null : BigInt(String(token)),
      heldMs: readMs(heldMs),
    }));
    return { holders, waiters: readMs(word.waiters) ?? 0, oldestWaitMs: readMs(word.oldestWaitMs) };
  } catch {
    return null;
  }
}

function readMs(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

/** Of all sessions; null where one of them is not known. */
function sumOf(waits: readonly (WaitersHere | null)[]): Pick<LockState, 'waiters' | 'oldestWaitMs'> {
  let waiters: number | null = 0;
  let oldestWaitMs: number | null = null;
  for (const here of waits) {
    waiters = here === null || waiters === null ? null : waiters + here.waiters;
    if (here !== null && here.oldestWaitMs !== null) oldestWaitMs = Math.max(oldestWaitMs ?? 0, here.oldestWaitMs);
  }
  return { waiters, oldestWaitMs };
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
