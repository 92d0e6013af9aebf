import { LockArgumentError } from '@holdfast/core';
import { excludeEachOther, MIGRATION_PHASES, type MigrationPhase } from './phase.js';

/** One who takes or holds something in a phase; counted until `leave`. */
export interface Passage {
  readonly phase: MigrationPhase;
  leave(): void;
}

/**
 * Knows the phase and who still takes or holds something in which. A change of phase is safe while all that stand
 * share a side, pair by pair: so `from` holds must be gone before the first `to` hold may be taken.
 */
export class PhaseGate {
  #phase: MigrationPhase;
  readonly #inside: Record<MigrationPhase, number> = { from: 0, both: 0, to: 0 };
  readonly #restarts = new Set<() => void>();
  readonly #watchers = new Set<() => void>();
  readonly #onChange: (before: MigrationPhase, now: MigrationPhase) => void;
  #lastChange: Promise<void> = Promise.resolve();

  constructor(phase: MigrationPhase, onChange: (before: MigrationPhase, now: MigrationPhase) => void) {
    this.#phase = phase;
    this.#onChange = onChange;
  }

  get phase(): MigrationPhase {
    return this.#phase;
  }

  /** Counted from here on: the phase does not change between the look at it and the count. */
  enter(): Passage {
    const phase = this.#phase;
    let isInside = true;
    this.#inside[phase] += 1;
    return {
      phase,
      leave: () => {
        if (!isInside) return;
        isInside = false;
        this.#inside[phase] -= 1;
        for (const watcher of [...this.#watchers]) watcher();
      },
    };
  }

  /** Calls `restart` when the phase changes: who waits in the old phase waits for the wrong thing. */
  onRestart(restart: () => void): { close(): void } {
    this.#restarts.add(restart);
    return { close: () => this.#restarts.delete(restart) };
  }

  /** One change after another. See `MigratingLockManager.setPhase`. */
  async change(next: MigrationPhase, signal: AbortSignal | undefined): Promise<void> {
    const before = this.#lastChange;
    let finish!: () => void;
    this.#lastChange = new Promise((resolve) => {
      finish = resolve;
    });
    try {
      await orAborted(before, signal);
      await this.#change(next, signal);
    } finally {
      // One that gave up in the queue must not let the next overtake the one in front.
      void before.then(finish);
    }
  }

  async #change(next: MigrationPhase, signal: AbortSignal | undefined): Promise<void> {
    if (!excludeEachOther(this.#phase, next)) {
      throw new LockArgumentError(
        `setPhase: phase is "${next}" after "${this.#phase}"; it must be "both" first, or a process that has changed and one that has not would not exclude each other`,
        { option: 'phase' },
      );
    }
    await this.#until(() => this.#isGone((phase) => !excludeEachOther(phase, next)), signal);
    const before = this.#phase;
    if (before !== next) {
      this.#phase = next;
      this.#onChange(before, next);
      for (const restart of [...this.#restarts]) restart();
    }
    await this.#until(() => this.#isGone((phase) => phase !== next), signal);
  }

  #isGone(matches: (phase: MigrationPhase) => boolean): boolean {
    return MIGRATION_PHASES.every((phase) => !matches(phase) || this.#inside[phase] === 0);
  }

  async #until(condition: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (condition()) return;
    const { promise, resolve } = deferred();
    const watcher = (): void => {
      if (condition()) resolve();
    };
    this.#watchers.add(watcher);
    try {
      await orAborted(promise, signal);
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** The promise, or the signal's reason if that comes first. */
async function orAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) {
    await promise;
    return;
  }
  signal.throwIfAborted();
  let onAbort!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
