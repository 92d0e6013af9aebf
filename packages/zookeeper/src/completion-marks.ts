import type { BackendMarks, CallContext, Clock, MarkRequest, MarkSetter, StoredMark } from '@holdfast/core';
import { allOrWorst, inParts } from '@holdfast/core/backend';
import { LeaderClock } from './leader-clock.js';
import { LONGEST_DUE_MS, MarkEnds } from './mark-ends.js';
import { type MarkData, markDataOf, textOf } from './mark-data.js';
import { decodeName, encodeName } from './node-names.js';
import { isCode, unlessRefused } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** How often who sets marks clears away; and how many of those that have ended, at a time and in all. */
const SWEEP_EVERY_MS = 2_000;
const AT_ONCE = 100;
const SWEEP_SIZE = 2_000;
/** How long what is known of the leader's clock is good enough to choose a folder by. */
const CLOCK_MS = 30_000;

interface Mark extends MarkData {
  readonly ageMs: number;
  readonly remainingMs: number;
  readonly version: number;
}

/**
 * Completion marks: nodes that stay, each with its retention time. Their age is the difference of two times that the
 * leader wrote: that of the mark, and that of the session's own node a moment ago.
 */
export class CompletionMarkNodes implements BackendMarks {
  readonly #session: ZooKeeperSession;
  readonly #directory: string;
  readonly #ends: MarkEnds;
  readonly #clock: Clock;
  readonly #leader: LeaderClock;
  readonly #run: <T>(work: () => Promise<T>) => Promise<T>;
  #sweepAt = Number.NEGATIVE_INFINITY;
  #lastSweep: { cancel(): void } | null = null;

  /** @param run what every call goes through: errors are reported as ours, and none is made when all is closed */
  constructor(session: ZooKeeperSession, root: string, clock: Clock, run: <T>(work: () => Promise<T>) => Promise<T>) {
    this.#session = session;
    this.#directory = `${root}/marks`;
    this.#ends = new MarkEnds(session, `${root}/mark-ends`);
    this.#clock = clock;
    this.#leader = new LeaderClock(session, clock, CLOCK_MS);
    this.#run = run;
  }

  async set(name: string, retentionMs: number, call: CallContext, setter: MarkSetter = { owner: '', label: '' }): Promise<boolean> {
    return (await this.setEach([{ name, retentionMs, ...setter }], call))[0] === true;
  }

  async setEach(marks: readonly MarkRequest[], call: CallContext): Promise<readonly boolean[]> {
    return await this.#run(async () => {
      await this.#session.ready(call.timeoutMs);
      const now = await this.#leader.now();
      const answers = await allOrWorst(marks.map((mark) => this.#set(mark, now)));
      this.#sweepNowAndThen();
      return answers;
    });
  }

  async has(name: string, call: CallContext): Promise<boolean> {
    return (await this.get(name, call)) !== null;
  }

  async hasEach(names: readonly string[], call: CallContext): Promise<readonly boolean[]> {
    return (await this.#readEach(names, call)).map((mark) => mark !== null);
  }

  async get(name: string, call: CallContext): Promise<StoredMark | null> {
    const [mark] = await this.#readEach([name], call);
    return mark === undefined || mark === null ? null : told(name, mark);
  }

  async delete(name: string, call: CallContext): Promise<boolean> {
    return await this.#run(async () => {
      await this.#session.ready(call.timeoutMs);
      for (;;) {
        // oxlint-disable-next-line no-await-in-loop
        const mark = await this.#read(name, await this.#leader.ask());
        if (mark === null) return false;
        try {
          // oxlint-disable-next-line no-await-in-loop
          await this.#session.remove(this.#pathOf(name), mark.version);
          if (mark.folder !== '') this.#ends.forget(mark.folder, encodeName(name)).catch(() => {});
          return mark.remainingMs > 0;
        } catch (error) {
          if (isCode(error, 'NO_NODE')) return false;
          // Set anew meanwhile.
          if (!isCode(error, 'BAD_VERSION')) throw error;
        }
      }
    });
  }

  async *list(prefix: string, call: CallContext): AsyncIterable<StoredMark> {
    // A mark that was set anew may be in two folders.
    const seen = new Set<string>();
    const folders = await this.#run(async () => {
      await this.#session.ready(call.timeoutMs);
      await this.#leader.ask();
      return await this.#ends.all();
    });
    for (const folder of folders) {
      // oxlint-disable-next-line no-await-in-loop
      const nodes = await this.#run(() => this.#ends.marksIn(folder));
      const names = nodes.flatMap((node) => decodeName(node) ?? []).filter((name) => name.startsWith(prefix) && !seen.has(name));
      for (const name of names) seen.add(name);
      // oxlint-disable-next-line no-await-in-loop
      for (const some of inParts(names, AT_ONCE)) yield* await this.#standing(some, call);
    }
  }

  close(): void {
    this.#lastSweep?.cancel();
    this.#sweepAt = Number.POSITIVE_INFINITY;
  }

  async #standing(names: readonly string[], call: CallContext): Promise<readonly StoredMark[]> {
    const marks = await this.#readEach(names, call);
    return names.flatMap((name, index) => {
      const mark = marks[index];
      return mark === undefined || mark === null ? [] : [told(name, mark)];
    });
  }

  /** In its folder first: a mark that is in none would never be cleared away. */
  async #set({ name, retentionMs, owner, label }: MarkRequest, now: number): Promise<boolean> {
    const path = this.#pathOf(name);
    const folder = this.#ends.folderOf(now + retentionMs);
    const data = textOf({ retentionMs, owner, label, folder });
    await this.#ends.note(folder, encodeName(name));
    for (;;) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        await this.#session.createUnder(path, data, 'persistent');
        return true;
      } catch (error) {
        if (!isCode(error, 'NODE_EXISTS')) throw error;
      }
      // oxlint-disable-next-line no-await-in-loop
      const mark = await this.#read(name, await this.#leader.ask());
      if (mark === null) continue;
      if (mark.remainingMs > 0) {
        if (mark.folder !== folder) this.#ends.forget(folder, encodeName(name)).catch(() => {});
        return owner !== '' && mark.owner === owner;
      }
      try {
        // Of several who find it expired, the version lets one through.
        // oxlint-disable-next-line no-await-in-loop
        await this.#session.setData(path, data, mark.version);
        return true;
      } catch (error) {
        if (!isCode(error, 'BAD_VERSION') && !isCode(error, 'NO_NODE')) throw error;
      }
    }
  }

  /** Those that stand, else null: each read behind a write of ours, so that what was done before is seen. */
  async #readEach(names: readonly string[], call: CallContext): Promise<readonly (Mark | null)[]> {
    return await this.#run(async () => {
      await this.#session.ready(call.timeoutMs);
      const now = await this.#leader.ask();
      const marks = await allOrWorst(names.map((name) => this.#read(name, now)));
      return marks.map((mark) => (mark !== null && mark.remainingMs > 0 ? mark : null));
    });
  }

  async #read(name: string, now: number): Promise<Mark | null> {
    const record = await unlessRefused(this.#session.getData(this.#pathOf(name)), null, 'NO_NODE');
    if (record === null) return null;
    const { data, stat } = record;
    const mark = markDataOf(data);
    const ageMs = Math.max(0, now - stat.modifiedAtMs);
    return { ...mark, ageMs, remainingMs: mark.retentionMs - ageMs, version: stat.version };
  }

  /** Who sets marks also clears away those that have ended, so that they do not add up. In the background; never rejects. */
  #sweepNowAndThen(): void {
    const now = this.#clock.now();
    if (now >= this.#sweepAt) {
      this.#sweepAt = now + SWEEP_EVERY_MS;
      this.#sweep().catch(() => {});
    }
    // Once more when what has ended by now is due.
    this.#lastSweep ??= this.#clock.setTimer(LONGEST_DUE_MS + SWEEP_EVERY_MS, () => {
      this.#lastSweep = null;
      this.#sweep().catch(() => {});
    });
  }

  async #sweep(): Promise<void> {
    let left = SWEEP_SIZE;
    for (const folder of await this.#ends.due(await this.#leader.ask())) {
      // oxlint-disable-next-line no-await-in-loop
      const nodes = (await this.#ends.marksIn(folder)).slice(0, left);
      // oxlint-disable-next-line no-await-in-loop
      for (const some of inParts(nodes, AT_ONCE)) await Promise.all(some.map((node) => this.#clearAway(folder, node)));
      left -= nodes.length;
      if (left === 0) return;
      // oxlint-disable-next-line no-await-in-loop
      await this.#ends.removeEmpty(folder);
    }
  }

  async #clearAway(folder: string, node: string): Promise<void> {
    const name = decodeName(node);
    const now = await this.#leader.ask();
    const mark = name === null ? null : await this.#read(name, now);
    if (name !== null && mark !== null && mark.folder === folder) {
      if (mark.remainingMs > 0) {
        // The leader's clock was set back, or its setter's view of it was off.
        await this.#ends.note(this.#ends.folderOf(now + mark.remainingMs), node);
      } else {
        await unlessRefused(this.#session.remove(this.#pathOf(name), mark.version), null, 'NO_NODE', 'BAD_VERSION');
      }
    }
    await this.#ends.forget(folder, node);
  }

  #pathOf(name: string): string {
    return `${this.#directory}/${encodeName(name)}`;
  }
}

function told(name: string, { label, ageMs, remainingMs }: Mark): StoredMark {
  return { name, label: label === '' ? null : label, ageMs, remainingMs };
}
