import type {
  BackendMarks,
  CallContext,
  Clock,
  CompletionMarks,
  MarkOptions,
  MarkRequest,
  MarkSetter,
  MarkState,
  StoredMark,
} from '@holdfast/core';
import { markOptionsOf, restOf, storedMarkOf } from './mark-copies.js';
import { MarkCompleter } from './mark-completer.js';
import { type MigrationSide, sidesOf } from './phase.js';
import type { PhaseGate } from './phase-gate.js';
import { settleAll } from './settle-all.js';

type NamedMark = MarkOptions & { readonly name: string };

/**
 * Completion marks over both sides. In `both` the target is asked first, and a mark stands when either side has it:
 * of two that set it at once exactly one is answered true, also when the other is still in `from` or already in `to`.
 *
 * A side that is out of reach may leave a mark on the target alone, which those who are still in `from` do not see. The one who
 * set it is reported so by a rejection, and it is completed in the background as soon as both sides answer.
 */
export class MigrationMarks implements BackendMarks {
  readonly #marks: Readonly<Record<MigrationSide, CompletionMarks>>;
  readonly #gate: PhaseGate;
  readonly #completer: MarkCompleter;

  constructor(marks: Readonly<Record<MigrationSide, CompletionMarks>>, gate: PhaseGate) {
    this.#marks = marks;
    this.#gate = gate;
    this.#completer = new MarkCompleter(marks, gate);
  }

  async set(name: string, retentionMs: number, { clock }: CallContext, setter?: MarkSetter): Promise<boolean> {
    const one = async (marks: CompletionMarks, [first]: readonly NamedMark[]): Promise<readonly boolean[]> => {
      if (first === undefined) return [];
      const { name: _, ...options } = first;
      return [await marks.set(name, options)];
    };
    return (await this.#set([{ name, retentionMs, owner: '', label: '', ...setter }], clock, one))[0] === true;
  }

  async setEach(requests: readonly MarkRequest[], { clock }: CallContext): Promise<readonly boolean[]> {
    return await this.#set(requests, clock, (marks, options) => marks.setEach(options));
  }

  async has(name: string): Promise<boolean> {
    return (await this.#hasEach(1, async (marks) => [await marks.has(name)]))[0] === true;
  }

  async hasEach(names: readonly string[]): Promise<readonly boolean[]> {
    return await this.#hasEach(names.length, (marks) => marks.hasEach(names));
  }

  async get(name: string): Promise<StoredMark | null> {
    const states = await Promise.all(this.#sides().map((marks) => marks.get(name)));
    const state = states.reduce(longer, null);
    return state === null ? null : storedMarkOf(state);
  }

  async delete(name: string): Promise<boolean> {
    await this.#completer.forget(name);
    const answers = await settleAll(this.#sides().map((marks) => marks.delete(name)));
    return answers.includes(true);
  }

  async *list(prefix: string): AsyncIterable<StoredMark> {
    const known = new Map<string, MarkState>();
    for (const marks of this.#sides()) {
      for await (const state of marks.list({ prefix })) known.set(state.name, longer(known.get(state.name) ?? null, state) ?? state);
    }
    for (const state of known.values()) yield storedMarkOf(state);
  }

  close(): void {
    this.#completer.close();
  }

  /** On the target first, then on the old side what the target took; every side counts from the same moment. */
  async #set(
    requests: readonly MarkRequest[],
    clock: Clock,
    ask: (marks: CompletionMarks, options: readonly NamedMark[]) => Promise<readonly boolean[]>,
  ): Promise<readonly boolean[]> {
    const passage = this.#gate.enter();
    const since = restOf(clock);
    const answers = requests.map(() => true);
    try {
      for (const side of [...sidesOf(passage.phase)].reverse()) {
        const places = [...answers.keys()].filter((index) => answers[index]);
        const options = places.flatMap((index) => {
          const request = requests[index];
          return request === undefined ? [] : [{ ...markOptionsOf(request, since(request.retentionMs)), name: request.name }];
        });
        // oxlint-disable-next-line no-await-in-loop
        const told = options.length === 0 ? [] : await ask(this.#marks[side], options);
        for (const [at, index] of places.entries()) answers[index] = told[at] === true;
      }
      return answers;
    } catch (error) {
      if (passage.phase === 'both') for (const request of requests) this.#completer.later(request, since, clock, error);
      throw error;
    } finally {
      passage.leave();
    }
  }

  /** To know that it stands one side is enough; that it does not takes both. */
  async #hasEach(count: number, ask: (marks: CompletionMarks) => Promise<readonly boolean[]>): Promise<readonly boolean[]> {
    const sides = await Promise.allSettled(this.#sides().map(ask));
    const answers = Array.from({ length: count }, (_, index) =>
      sides.some((side) => side.status === 'fulfilled' && side.value[index] === true),
    );
    if (answers.every((stands) => stands)) return answers;
    for (const side of sides) if (side.status === 'rejected') throw side.reason;
    return answers;
  }

  #sides(): readonly CompletionMarks[] {
    return sidesOf(this.#gate.phase).map((side) => this.#marks[side]);
  }
}

/** Of what two sides say of one mark. */
function longer(a: MarkState | null, b: MarkState | null): MarkState | null {
  if (a === null || b === null) return a ?? b;
  return b.remainingMs > a.remainingMs ? b : a;
}
