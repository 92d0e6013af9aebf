import type { HoldRequest, LockKind, WaitLine } from '@holdfast/core';
import { kindOf, type LineSign, LineSigns, SIGN_VALID_MS } from '@holdfast/core/backend';
import { tooFewNodes } from '../redlock-error.js';
import { answersOf, askNodes } from './ask-nodes.js';
import type { ProtocolContext } from './context.js';

const NOTE_MS = 2000;

interface LineKey {
  readonly name: string;
  readonly kind: LockKind;
}

/** Notes on all nodes how many wait in this process; what fewer than a quorum have noted is not shown, and is noted again. */
export class WaiterNotes {
  readonly #context: ProtocolContext;
  readonly #signs: LineSigns<LineKey>;

  constructor(context: ProtocolContext) {
    this.#context = context;
    this.#signs = new LineSigns(context.clock, (signs) => this.#note(signs));
  }

  /** From now on the nodes learn how many stand in this line. */
  open(
    { name, mode }: HoldRequest,
    line: () => WaitLine,
  ): {
    /** Nobody stands in it any more. */
    close(): void;
  } {
    const kind = kindOf(mode);
    return this.#signs.open(`${kind}:${name}`, { name, kind }, line);
  }

  /** Resolves when the nodes have heard that nobody of this process waits any more, as far as they can be reached. */
  close(): Promise<void> {
    return this.#signs.close();
  }

  async #note(signs: readonly LineSign<LineKey>[]): Promise<void> {
    const { nodes, settings, clock } = this.#context;
    const notes = signs.map(({ key, waiters, oldestWaitMs }) => ({ ...key, waiters, oldestWaitMs, validMs: SIGN_VALID_MS }));
    const answers = await askNodes({
      nodes,
      clock,
      timeoutMs: settings.nodeTimeoutMs,
      enough: settings.quorum,
      longestMs: NOTE_MS,
      ask: (node) => node.noteWaiters(notes, NOTE_MS),
      isDecided: () => false,
    });
    if (answersOf(answers).length < settings.quorum) throw tooFewNodes(nodes, answers, settings.quorum, null);
  }
}
