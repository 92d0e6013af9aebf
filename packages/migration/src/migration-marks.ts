import { type CallContext, type Clock, type CompletionMarks, isLockError } from '@holdfast/core';
import { type MigrationSide, sidesOf } from './phase.js';
import type { PhaseGate } from './phase-gate.js';

/** How long after a failure a mark is completed, or tried to be; the pause doubles from the first to the last. */
const FIRST_PAUSE_MS = 250;
const LAST_PAUSE_MS = 8_000;

/** A mark that may stand on the target alone. */
interface Incomplete {
  readonly name: string;
  readonly retentionMs: number;
  readonly clock: Clock;
  /** When it will have ended there. */
  readonly until: number;
}

/**
 * Completion marks over both sides. In `both` the target is asked first, and a mark stands when either side has it:
 * of two that set it at once exactly one is told true, also when the other is still in `from` or already in `to`.
 *
 * A side that is out of reach may leave a mark on the target alone, which those who are still in `from` do not see. Whoever
 * set it is told so by a rejection, and it is completed in the background as soon as both sides answer.
 */
export class MigrationMarks {
  readonly #marks: Readonly<Record<MigrationSide, CompletionMarks>>;
  readonly #gate: PhaseGate;
  readonly #incomplete = new Map<string, { cancel(): void }>();
  #isClosed = false;

  constructor(marks: Readonly<Record<MigrationSide, CompletionMarks>>, gate: PhaseGate) {
    this.#marks = marks;
    this.#gate = gate;
  }

  async set(name: string, retentionMs: number, { clock }: CallContext): Promise<boolean> {
    const passage = this.#gate.enter();
    try {
      for (const side of [...sidesOf(passage.phase)].reverse()) {
        // oxlint-disable-next-line no-await-in-loop
        if (!(await this.#marks[side].set(name, { retentionMs }))) return false;
      }
      return true;
    } catch (error) {
      if (passage.phase === 'both') this.#completeLater({ name, retentionMs, clock, until: clock.now() + retentionMs }, error);
      throw error;
    } finally {
      passage.leave();
    }
  }

  async has(name: string): Promise<boolean> {
    const answers = await Promise.allSettled(sidesOf(this.#gate.phase).map((side) => this.#marks[side].has(name)));
    // To know that it stands one side is enough; that it does not takes both.
    if (answers.some((answer) => answer.status === 'fulfilled' && answer.value)) return true;
    for (const answer of answers) if (answer.status === 'rejected') throw answer.reason;
    return false;
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#incomplete.values()) timer.cancel();
    this.#incomplete.clear();
  }

  #completeLater(mark: Incomplete, error: unknown, pauseMs = FIRST_PAUSE_MS): void {
    const { name, clock, until } = mark;
    const isOver = this.#isClosed || this.#gate.phase !== 'both' || clock.now() >= until;
    // What was refused for good was not written, and will not be.
    if (isOver || !isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') || !error.retryable) return;
    this.#incomplete.get(name)?.cancel();
    const timer = clock.setTimer(pauseMs, () => {
      this.#incomplete.delete(name);
      this.#complete(mark).catch((next: unknown) => this.#completeLater(mark, next, Math.min(pauseMs * 2, LAST_PAUSE_MS)));
    });
    this.#incomplete.set(name, timer);
  }

  /** The failed step may have been the target's, with its reply lost; or nobody has it, and then nobody needs it. */
  async #complete({ name, retentionMs }: Incomplete): Promise<void> {
    if (await this.#marks.to.has(name)) await this.#marks.from.set(name, { retentionMs });
  }
}
