import type { Clock } from '@holdfast/core';
import { setAnswerDeadline } from '@holdfast/core/backend';
import { NodeFailure, type RedlockNode } from './node.js';

/** What became of the question to one node so far. */
export type NodeAnswer<T> =
  /** It was not waited for. */
  | { readonly kind: 'pending' }
  /** It did not answer in time. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'failed'; readonly failure: NodeFailure };

const PENDING = { kind: 'pending' } as const;
const SILENT = { kind: 'silent' } as const;

/** One question to all nodes at once. */
export interface Question<T> {
  readonly nodes: readonly RedlockNode[];
  readonly clock: Clock;
  /** How long to wait for those that do not answer, once `enough` nodes have answered. */
  readonly timeoutMs: number;
  /** @default 0 */
  readonly enough?: number;
  /** How long to wait for enough answers: a stall of this process must not look like the loss of all nodes. @default timeoutMs */
  readonly longestMs?: number;
  /** null: this node is not asked, and counts as not pending. */
  readonly ask: (node: RedlockNode, index: number) => Promise<T> | null;
  /** Notified of each answer, also of one that comes when nobody waits any more. */
  readonly onAnswer?: (index: number, answer: NodeAnswer<T>, isLate: boolean) => void;
  /** Looked at after each answer: true ends the waiting. */
  readonly isDecided: (answers: readonly NodeAnswer<T>[], pending: number) => boolean;
}

/**
 * Asks all nodes, and resolves as soon as it is decided: when the answers so far suffice, when all have answered, or when
 * the time is up. Never rejects. A slow node costs nothing as long as the others decide.
 */
export function askNodes<T>({
  nodes,
  clock,
  timeoutMs,
  enough = 0,
  longestMs = timeoutMs,
  ask,
  onAnswer,
  isDecided,
}: Question<T>): Promise<readonly NodeAnswer<T>[]> {
  return new Promise((resolve) => {
    const answers: NodeAnswer<T>[] = nodes.map(() => PENDING);
    let pending = nodes.length;
    let isOver = false;
    let timer: { cancel(): void } | null = null;
    const finish = (isTimeUp = false): void => {
      isOver = true;
      timer?.cancel();
      // A copy: what comes late must not change what was decided upon.
      resolve(answers.map((answer) => (answer.kind === 'pending' && isTimeUp ? SILENT : answer)));
    };
    const note = (index: number, answer: NodeAnswer<T>): void => {
      answers[index] = answer;
      pending -= 1;
      onAnswer?.(index, answer, isOver);
      if (!isOver && (pending === 0 || isDecided(answers, pending))) finish();
    };
    const asked = nodes.map((node, index) => ask(node, index));
    for (const [index, promise] of asked.entries()) {
      if (promise === null) {
        pending -= 1;
        continue;
      }
      promise.then(
        (value) => note(index, { kind: 'answered', value }),
        (error: unknown) => note(index, { kind: 'failed', failure: failureOf(error) }),
      );
    }
    if (pending === 0 || isDecided(answers, pending)) finish();
    else {
      timer = setAnswerDeadline(clock, Math.max(0, timeoutMs), () => {
        const answered = answers.filter(({ kind }) => kind === 'answered').length;
        if (answered >= enough || longestMs <= timeoutMs) finish(true);
        else timer = setAnswerDeadline(clock, longestMs - timeoutMs, () => finish(true));
      });
    }
  });
}

function failureOf(error: unknown): NodeFailure {
  return error instanceof NodeFailure ? error : new NodeFailure('the client failed', { mayHappen: true, retryable: true });
}

/** For a question where every answer matters: waits for all, or for the time. */
export const whenAllAnswered = (): boolean => false;

/** What was answered, node by node. */
export function answersOf<T>(answers: readonly NodeAnswer<T>[]): readonly T[] {
  return answers.flatMap((answer) => (answer.kind === 'answered' ? [answer.value] : []));
}
