import { LockUnavailableError } from '../index.js';
import type { LockTable } from '../memory/lock-table.js';
import type { LinkListener, StoreCall, StoreCallKind, StoreLink } from '../memory/memory-store.js';

/** What is to happen to a call. */
export interface PlannedFault {
  matches(call: StoreCall): boolean;
  /** Called when a call has met the fault; the promise holds the call up until it settles. */
  onRequest?(): Promise<void> | undefined;
  onReply?(): Promise<void> | undefined;
  /** The call rejects with this instead of its answer; the store has acted when `performed`. */
  readonly failure?: { readonly error: Error; readonly performed: boolean };
}

const noCalls: Readonly<Record<StoreCallKind, number>> = Object.freeze({
  attempt: 0,
  renew: 0,
  release: 0,
  wait: 0,
  setMark: 0,
  hasMark: 0,
  getMark: 0,
  deleteMark: 0,
  listMarks: 0,
  list: 0,
  inspect: 0,
  forceRelease: 0,
  checkHealth: 0,
});

/** One client's connection to a store in memory, which can be cut, and disturbed call by call. */
export class FaultyLink implements StoreLink {
  readonly table: LockTable;
  readonly faults = new Set<PlannedFault>();
  #calls = { ...noCalls };
  readonly #listeners = new Set<LinkListener>();
  /** Rejects what is under way on the connection. */
  readonly #pending = new Set<(error: Error) => void>();
  #connection: 'open' | 'ended' | 'silent' = 'open';
  // Counts the connections: an answer that belongs to an earlier one arrives nowhere.
  #epoch = 0;

  constructor(table: LockTable) {
    this.table = table;
  }

  get isConnected(): boolean {
    return this.#connection === 'open';
  }

  get calls(): Readonly<Record<StoreCallKind, number>> {
    return { ...this.#calls };
  }

  resetCalls(): void {
    this.#calls = { ...noCalls };
  }

  listen(listener: LinkListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  cut(silent: boolean): void {
    const wasOpen = this.isConnected;
    this.#connection = silent ? 'silent' : 'ended';
    if (wasOpen) {
      this.#epoch += 1;
      for (const listener of this.#listeners) listener.cut();
    }
    if (!silent) this.#endPending();
  }

  restore(): void {
    if (this.isConnected) return;
    this.#connection = 'open';
    this.#endPending();
    for (const listener of this.#listeners) listener.restored();
  }

  call<T>(call: StoreCall, perform: () => T | Promise<T>): Promise<T> {
    this.#calls[call.kind] += 1;
    return new Promise<T>((resolve, reject) => {
      const fail = (error: unknown): void => {
        this.#pending.delete(fail);
        reject(error);
      };
      this.#pending.add(fail);
      if (this.#connection === 'ended') fail(connectionEnded());
      // Into the silence: not performed, and answered only when the connection has ended.
      if (this.#connection !== 'open') return;
      const epoch = this.#epoch;
      const isCurrent = (): boolean => epoch === this.#epoch;
      this.#exchange(call, perform, isCurrent).then(
        (answer) => {
          if (!isCurrent()) return;
          this.#pending.delete(fail);
          resolve(answer);
        },
        (error: unknown) => {
          if (isCurrent()) fail(error);
        },
      );
    });
  }

  async #exchange<T>(call: StoreCall, perform: () => T | Promise<T>, isCurrent: () => boolean): Promise<T> {
    const fault = this.#takeFault(call);
    const held = fault?.onRequest?.();
    if (held !== undefined) await held;
    // The request went down with its connection: the store never saw it.
    if (!isCurrent()) throw connectionEnded();
    if (fault?.failure?.performed === false) throw fault.failure.error;
    const answer = await perform();
    const heldReply = fault?.onReply?.();
    if (heldReply !== undefined) await heldReply;
    if (fault?.failure !== undefined) throw fault.failure.error;
    return answer;
  }

  #takeFault(call: StoreCall): PlannedFault | undefined {
    for (const fault of this.faults) {
      if (!fault.matches(call)) continue;
      this.faults.delete(fault);
      return fault;
    }
    return undefined;
  }

  #endPending(): void {
    for (const fail of this.#pending) fail(connectionEnded());
  }
}

function connectionEnded(): LockUnavailableError {
  return new LockUnavailableError('memory: the connection to the store ended', { backend: 'memory' });
}
