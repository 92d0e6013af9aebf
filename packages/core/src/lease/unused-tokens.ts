import { emitWarning } from 'node:process';
import type { FencingToken } from '../contract/lease.js';
import { isExclusive } from '../hold/hold-plan.js';
import type { Hold } from '../hold/hold.js';

/** Names that were warned of are remembered, up to so many: there is nothing to learn from the next ones. */
const MAX_WARNINGS = 1_000;

/** A lease as it is watched: its token becomes a property that notes that it was read. */
interface Watched {
  readonly fencingToken: FencingToken;
}

/**
 * Finds locks whose fencing token nobody reads, so that no resource can compare it: for tests and development. One warning a name
 * (`process.emitWarning`, code HOLDFAST_UNUSED_TOKEN), when a lease of it ends.
 */
export class UnusedTokens {
  readonly #unread = new WeakSet<Hold>();
  readonly #warned = new Set<string>();

  watch(lease: Watched, hold: Hold): void {
    const token = lease.fencingToken;
    if (token === null || !isExclusive(hold.plan)) return;
    this.#unread.add(hold);
    const read = (): FencingToken => {
      this.#unread.delete(hold);
      return token;
    };
    Object.defineProperty(lease, 'fencingToken', { get: read, enumerable: true, configurable: true });
  }

  /** The hold is over: by its release, or by its loss. What was passed on is not. */
  ended(hold: Hold): void {
    if (!this.#unread.delete(hold) || hold.state.end?.how === 'detached') return;
    const { key, kind, name } = hold.plan;
    if (this.#warned.has(key) || this.#warned.size >= MAX_WARNINGS) return;
    this.#warned.add(key);
    emitWarning(
      `the ${kind === 'lock' ? 'lock' : 'write lock'} ${JSON.stringify(name)} was held, and its fencing token was never read: what it protects cannot refuse a holder that was late`,
      { type: 'HoldfastWarning', code: 'HOLDFAST_UNUSED_TOKEN' },
    );
  }
}
