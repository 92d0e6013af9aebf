import type { BackendMarks, CallContext, MarkRequest, MarkSetter, StoredMark } from '@holdfast/core';
import type { BatchSender, Piece, Read } from '@holdfast/core/backend';
import { readOnce } from './answers.js';
import type { KeySpace, MarkKeys } from './key-space.js';
import { ForeignKeyError, unavailable } from './redis-error.js';
import { warnOfForeign } from './warn-of-foreign.js';
import { type RedisStep, steps } from './redis-step.js';

/** What marks need of the backend. */
export interface MarkParts {
  readonly sender: BatchSender<RedisStep>;
  readonly keySpace: KeySpace;
  /** Waits until enough replicas have what was written in these slots. */
  readonly confirm: (slots: readonly number[], timeoutMs: number) => Promise<void>;
  readonly refuseIfClosed: () => void;
}

/** Completion marks. Requests of one tick share a command. */
export class RedisMarks implements BackendMarks {
  readonly #parts: MarkParts;

  constructor(parts: MarkParts) {
    this.#parts = parts;
  }

  async set(name: string, retentionMs: number, call: CallContext, setter: MarkSetter = { owner: '', label: '' }): Promise<boolean> {
    return (await this.setEach([{ name, retentionMs, ...setter }], call))[0] === true;
  }

  async setEach(marks: readonly MarkRequest[], call: CallContext): Promise<readonly boolean[]> {
    this.#parts.refuseIfClosed();
    const pieces = marks.map(({ name, retentionMs, owner, label }) => {
      const keys = this.#keysOf(name);
      return this.#piece(steps.setMark, keys, [keys.marks, keys.ends], [keys.field, `${owner || '-'} ${retentionMs} ${label}`], name, call);
    });
    const answers = await this.#parts.sender.sendAll(pieces, readOnce);
    await this.#parts.confirm(
      pieces.map(({ route }) => route),
      call.timeoutMs,
    );
    return answers;
  }

  async has(name: string, call: CallContext): Promise<boolean> {
    return (await this.get(name, call)) !== null;
  }

  async hasEach(names: readonly string[], call: CallContext): Promise<readonly boolean[]> {
    return (await this.#find(names, call)).map((mark) => mark !== null);
  }

  async get(name: string, call: CallContext): Promise<StoredMark | null> {
    return (await this.#find([name], call))[0] ?? null;
  }

  async delete(name: string, call: CallContext): Promise<boolean> {
    this.#parts.refuseIfClosed();
    const keys = this.#keysOf(name);
    const piece = this.#piece(steps.deleteMark, keys, [keys.marks, keys.ends], [keys.field], name, call);
    const stood = await this.#parts.sender.send(piece, readOnce);
    await this.#parts.confirm([keys.slot], call.timeoutMs);
    return stood;
  }

  async *list(prefix: string, call: CallContext): AsyncIterable<StoredMark> {
    const { keySpace, sender } = this.#parts;
    const foreign: string[] = [];
    for (const keys of keySpace.allMarkKeys()) {
      // The scan of a hash may show an entry twice.
      const seen = new Set<string>();
      let cursor = '0';
      do {
        this.#parts.refuseIfClosed();
        const piece = this.#piece(steps.listMarks, keys, [keys.marks], [cursor], null, call);
        // oxlint-disable-next-line no-await-in-loop
        const page = await sender.send(piece, readPage).catch((error: unknown) => {
          if (!(error instanceof ForeignKeyError)) throw error;
          foreign.push(keys.marks);
          return LAST_PAGE;
        });
        cursor = page.cursor;
        for (const [field, text] of page.entries) {
          const name = keySpace.nameOfField(field);
          if (name === null || !name.startsWith(prefix) || seen.has(name)) continue;
          seen.add(name);
          const mark = markIn(name, text);
          if (mark !== null) yield mark;
        }
      } while (cursor !== '0');
    }
    if (foreign.length > 0) warnOfForeign('redis: marks.list()', foreign);
  }

  async #find(names: readonly string[], call: CallContext): Promise<readonly (StoredMark | null)[]> {
    this.#parts.refuseIfClosed();
    const pieces = names.map((name) => {
      const keys = this.#keysOf(name);
      return this.#piece(steps.findMark, keys, [keys.marks], [keys.field], name, call);
    });
    return await this.#parts.sender.sendAll(pieces, readMark);
  }

  #keysOf(name: string): MarkKeys & { readonly field: string } {
    return { ...this.#parts.keySpace.markKeys(name), field: this.#parts.keySpace.lockKey(name) };
  }

  #piece(
    step: RedisStep,
    { slot }: MarkKeys,
    keys: readonly string[],
    args: readonly string[],
    lockName: string | null,
    call: CallContext,
  ): Piece<RedisStep> {
    return { step, route: slot, keys, args, lockName, owner: '', timeoutMs: call.timeoutMs, call };
  }
}

const readMark: Read<RedisStep, StoredMark | null> = (reply, { lockName }) => {
  if (reply === '') return null;
  if (reply === 'WRONGTYPE') throw new ForeignKeyError(lockName);
  const mark = markIn(lockName ?? '', reply);
  if (mark === null) throw unavailable(new Error('no reply'), lockName);
  return mark;
};

/** Some of the marks of one bucket. */
interface MarkPage {
  readonly cursor: string;
  readonly entries: readonly (readonly [string, unknown])[];
}

const LAST_PAGE: MarkPage = { cursor: '0', entries: [] };

const readPage: Read<RedisStep, MarkPage> = (reply) => {
  const [cursor, ...rest] = Array.isArray(reply) ? (reply as unknown[]) : [];
  if (!/^\d+$/.test(String(cursor))) throw unavailable(new Error('no reply'), null);
  const entries = rest.flatMap((field, index) => (index % 2 === 0 ? [[String(field), rest[index + 1]] as const] : []));
  return { cursor: String(cursor), entries };
};

function markIn(name: string, text: unknown): StoredMark | null {
  const match = /^(\d+) (\d+) (.*)$/s.exec(String(text));
  if (match === null) return null;
  return { name, ageMs: Number(match[1]), remainingMs: Number(match[2]), label: match[3] || null };
}
