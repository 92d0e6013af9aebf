import { type Clock, type CompletionMarks, isLockError, type MarkRequest } from '@holdfast/core';
import { markOptionsOf } from './mark-copies.js';
import type { MigrationSide } from './phase.js';
import type { PhaseGate } from './phase-gate.js';

/** How long after a failure a mark is completed, or tried to be; the pause doubles from the first to the last. */
const FIRST_PAUSE_MS = 250;
const LAST_PAUSE_MS = 8_000;

/** A mark that may stand on the target alone. */
interface Incomplete {
  readonly request: MarkRequest;
  /** The rest of a time that began when the mark was set. */
  readonly rest: (ms: number) => number;
  readonly clock: Clock;
}

/** When it is tried next, or that it is being tried. */
interface Completion {
  timer: { cancel(): void };
  running: Promise<void>;
  isDropped: boolean;
}

/** Writes on the old side, in the background, what may stand on the target alone. */
export class MarkCompleter {
  readonly #marks: Readonly<Record<MigrationSide, CompletionMarks>>;
  readonly #gate: PhaseGate;
  readonly #incomplete = new Map<string, Completion>();
  #isClosed = false;

  constructor(marks: Readonly<Record<MigrationSide, CompletionMarks>>, gate: PhaseGate) {
    this.#marks = marks;
    this.#gate = gate;
  }

  /** @param error why it is not complete: what was refused permanently was not written, and will not be */
  later(request: MarkRequest, rest: (ms: number) => number, clock: Clock, error: unknown): void {
    this.#later({ request, rest, clock }, error, FIRST_PAUSE_MS);
  }

  /** The mark is to be deleted, and not to come back. Settles when nothing of it is on its way any more. */
  async forget(name: string): Promise<void> {
    await this.#drop(name)?.running;
  }

  close(): void {
    this.#isClosed = true;
    for (const name of [...this.#incomplete.keys()]) this.#drop(name);
  }

  #drop(name: string): Completion | undefined {
    const completion = this.#incomplete.get(name);
    this.#incomplete.delete(name);
    completion?.timer.cancel();
    if (completion !== undefined) completion.isDropped = true;
    return completion;
  }

  #later(mark: Incomplete, error: unknown, pauseMs: number): void {
    const { request, rest, clock } = mark;
    const isOver = this.#isClosed || this.#gate.phase !== 'both' || rest(request.retentionMs) === 0;
    if (isOver || !isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') || !error.retryable) return;
    this.#drop(request.name);
    const timer = clock.setTimer(pauseMs, () => {
      completion.running = this.#complete(mark, completion).then(
        () => {
          if (!completion.isDropped) this.#drop(request.name);
        },
        (next: unknown) => {
          if (!completion.isDropped) this.#later(mark, next, Math.min(pauseMs * 2, LAST_PAUSE_MS));
        },
      );
    });
    const completion: Completion = { timer, running: Promise.resolve(), isDropped: false };
    this.#incomplete.set(request.name, completion);
  }

  /** The failed step may have been the target's, with its reply lost; or nobody has it, and then nobody needs it. */
  async #complete({ request, rest }: Incomplete, completion: Completion): Promise<void> {
    const restMs = await this.#restOnTarget(request, rest);
    // It ends when it was to end, however late it is written.
    if (restMs > 0 && !completion.isDropped) await this.#marks.from.set(request.name, markOptionsOf(request, restMs));
  }

  /** By the target's own clock where it can tell. 0: it does not stand there. */
  async #restOnTarget({ name, retentionMs }: MarkRequest, rest: (ms: number) => number): Promise<number> {
    const { to } = this.#marks;
    try {
      return (await to.get(name))?.remainingMs ?? 0;
    } catch (error) {
      if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw error;
      return (await to.has(name)) ? rest(retentionMs) : 0;
    }
  }
}
