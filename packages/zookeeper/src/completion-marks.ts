import type { Clock } from '@holdfast/core';
import { decodeName, encodeName } from './node-names.js';
import { isCode } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

const SWEEP_EVERY_MS = 60_000;
/** How many marks one sweep looks at. */
const SWEEP_SIZE = 100;

interface Mark {
  readonly isStanding: boolean;
  readonly version: number;
}

/**
 * Completion marks: nodes that stay, each with its retention time. Their age is the difference of two times that the
 * leader wrote: that of the mark, and that of the session's own node a moment ago.
 */
export class CompletionMarkNodes {
  readonly #session: ZooKeeperSession;
  readonly #directory: string;
  readonly #clock: Clock;
  #sweepAt = Number.NEGATIVE_INFINITY;

  constructor(session: ZooKeeperSession, directory: string, clock: Clock) {
    this.#session = session;
    this.#directory = directory;
    this.#clock = clock;
  }

  async has(name: string, withinMs: number): Promise<boolean> {
    await this.#session.ready(withinMs);
    return (await this.#read(this.#pathOf(name)))?.isStanding ?? false;
  }

  /** @returns whether this call set it */
  async set(name: string, retentionMs: number, withinMs: number): Promise<boolean> {
    await this.#session.ready(withinMs);
    const path = this.#pathOf(name);
    const data = Buffer.from(JSON.stringify({ retentionMs }), 'utf8');
    const isSet = await this.#set(path, data);
    if (isSet) this.#sweepNowAndThen();
    return isSet;
  }

  async #set(path: string, data: Buffer): Promise<boolean> {
    for (;;) {
      try {
        await this.#session.createUnder(path, data, 'persistent');
        return true;
      } catch (error) {
        if (!isCode(error, 'NODE_EXISTS')) throw error;
      }
      const mark = await this.#read(path);
      if (mark === null) continue;
      if (mark.isStanding) return false;
      try {
        // Of several who find it expired, the version lets one through.
        await this.#session.setData(path, data, mark.version);
        return true;
      } catch (error) {
        if (isCode(error, 'BAD_VERSION')) return false;
        if (!isCode(error, 'NO_NODE')) throw error;
      }
    }
  }

  async #read(path: string): Promise<Mark | null> {
    const now = (await this.#session.beat()).modifiedAtMs;
    try {
      const { data, stat } = await this.#session.getData(path);
      return { isStanding: now - stat.modifiedAtMs < retentionIn(data), version: stat.version };
    } catch (error) {
      if (isCode(error, 'NO_NODE')) return null;
      throw error;
    }
  }

  /** Who sets marks also clears away old ones, so that they do not add up. In the background; never rejects. */
  #sweepNowAndThen(): void {
    const now = this.#clock.now();
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + SWEEP_EVERY_MS;
    this.#sweep().catch(() => {});
  }

  async #sweep(): Promise<void> {
    const marks = (await this.#session.getChildren(this.#directory)).filter((node) => decodeName(node) !== null);
    const first = Math.floor(this.#clock.random() * marks.length);
    const some = [...marks.slice(first), ...marks.slice(0, first)].slice(0, SWEEP_SIZE);
    await Promise.all(
      some.map(async (node) => {
        const path = `${this.#directory}/${node}`;
        const mark = await this.#read(path);
        if (mark !== null && !mark.isStanding) await this.#session.remove(path, mark.version).catch(() => {});
      }),
    );
  }

  #pathOf(name: string): string {
    return `${this.#directory}/${encodeName(name)}`;
  }
}

function retentionIn(data: Buffer): number {
  try {
    const { retentionMs } = JSON.parse(data.toString('utf8')) as { readonly retentionMs?: unknown };
    return typeof retentionMs === 'number' ? retentionMs : Number.POSITIVE_INFINITY;
  } catch {
    // Not ours to expire.
    return Number.POSITIVE_INFINITY;
  }
}
