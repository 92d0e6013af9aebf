import { type Clock, LockUnavailableError } from '@holdfast/core';
import { within } from '@holdfast/core/backend';
import type { ClientSource } from './client-source.js';
import type { KeySpace } from './key-space.js';
import { OwnedLink } from './link.js';
import { unavailable } from './redis-error.js';

/** How much longer than WAIT itself its answer may take. */
const SLACK_MS = 500;
const KEY_MS = '1000';

interface Round {
  readonly promise: Promise<void>;
  /** Not sent yet: everybody who asks now is covered by it. */
  isOpen: boolean;
}

/**
 * Waits until enough replicas have what was written so far. On connections of its own, one for each master: every
 * command behind a WAIT waits with it. WAIT speaks of the writes of its own connection, so a small write goes before it
 * there: replicas that have this one have everything before it.
 */
export class Confirmer {
  readonly #source: ClientSource;
  readonly #keySpace: KeySpace;
  readonly #clock: Clock;
  readonly #min: number;
  readonly #timeoutMs: number;
  readonly #masters = new Map<string, { readonly link: OwnedLink; round: Round | null; last: Promise<void> }>();

  constructor(source: ClientSource, keySpace: KeySpace, clock: Clock, min: number, timeoutMs: number) {
    this.#source = source;
    this.#keySpace = keySpace;
    this.#clock = clock;
    this.#min = min;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws LockUnavailableError when fewer than `min` replicas have everything in time */
  async confirm(slots: readonly number[], timeoutMs: number): Promise<void> {
    const byMaster = new Map<string, number>();
    for (const slot of slots) byMaster.set(this.#masterOf(slot), slot);
    await Promise.all([...byMaster].map(([master, slot]) => this.#join(master, slot, Math.min(this.#timeoutMs, timeoutMs))));
  }

  close(): void {
    for (const { link } of this.#masters.values()) link.close();
    this.#masters.clear();
  }

  #masterOf(slot: number): string {
    return this.#source.isCluster ? (this.#source.link.current?.connection.port.nodeOf?.(slot) ?? '') : '';
  }

  /** Grants of one time share a round; one that comes while a round is on its way takes the next. */
  #join(master: string, slot: number, timeoutMs: number): Promise<void> {
    let state = this.#masters.get(master);
    if (state === undefined) {
      const link = new OwnedLink({ clock: this.#clock, make: () => this.#source.another(slot), prepare: null });
      state = { link, round: null, last: Promise.resolve() };
      this.#masters.set(master, state);
    }
    const { link, last } = state;
    if (state.round?.isOpen === true) return state.round.promise;
    const round: { promise: Promise<void>; isOpen: boolean } = {
      isOpen: true,
      promise: last.then(() => {
        round.isOpen = false;
        return this.#ask(link, slot, timeoutMs);
      }),
    };
    state.round = round;
    state.last = round.promise.catch(() => {});
    return round.promise;
  }

  async #ask(link: OwnedLink, slot: number, timeoutMs: number): Promise<void> {
    let count: number;
    try {
      const { connection } = await link.open(timeoutMs + SLACK_MS);
      const { port } = connection;
      const written = port.call('SET', this.#keySpace.onServer(this.#keySpace.confirmKey(slot)), '1', 'PX', KEY_MS);
      const waited = port.call('WAIT', String(this.#min), String(timeoutMs));
      written.catch(() => {});
      waited.catch(() => {});
      try {
        await within(this.#clock, timeoutMs + SLACK_MS, written);
        count = Number(await within(this.#clock, timeoutMs + SLACK_MS, waited));
      } catch (error) {
        connection.giveUp(null);
        throw error;
      }
    } catch (error) {
      throw unavailable(error, null, this.#source.driver);
    }
    if (count >= this.#min) return;
    throw new LockUnavailableError(`redis: ${count} of ${this.#min} replicas confirmed within ${timeoutMs} ms`, {
      backend: 'redis',
      driver: this.#source.driver,
    });
  }
}
