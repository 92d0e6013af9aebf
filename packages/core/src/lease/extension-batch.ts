import type { HoldRecord } from './hold-record.js';

/** One record that is to be kept for longer. */
export interface Extension {
  readonly record: HoldRecord;
  /** The longest that anybody asked for. */
  readonly ttlMs: number;
  /** Settles what all who asked wait for. */
  readonly settle: (error?: unknown) => void;
}

interface Pending {
  ttlMs: number;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Gathers the extensions of one tick, so that many leases which are extended side by side share a request. */
export class ExtensionBatch {
  readonly #send: (extensions: readonly Extension[]) => void;
  #pending = new Map<HoldRecord, Pending>();

  /** @param send must not throw, and settles each extension */
  constructor(send: (extensions: readonly Extension[]) => void) {
    this.#send = send;
  }

  add(record: HoldRecord, ttlMs: number): Promise<void> {
    let pending = this.#pending.get(record);
    if (pending === undefined) {
      pending = newPending(ttlMs);
      this.#pending.set(record, pending);
      if (this.#pending.size === 1) queueMicrotask(() => this.#flush());
    }
    pending.ttlMs = Math.max(pending.ttlMs, ttlMs);
    return pending.done;
  }

  #flush(): void {
    const extensions = [...this.#pending].map(([record, { ttlMs, resolve, reject }]) => ({
      record,
      ttlMs,
      settle: (error?: unknown) => {
        if (error === undefined) resolve();
        else reject(error);
      },
    }));
    this.#pending = new Map();
    this.#send(extensions);
  }
}

function newPending(ttlMs: number): Pending {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const done = new Promise<void>((onDone, onFailure) => {
    resolve = onDone;
    reject = onFailure;
  });
  return { ttlMs, done, resolve, reject };
}
