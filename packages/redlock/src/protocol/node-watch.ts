import type { NodeHealth } from '@holdfast/core';
import type { NodeAnswer } from './ask-nodes.js';
import type { Vote } from './node.js';

type Condition = 'takes part' | 'rests' | 'is away';

/** A clock that is off by so much more or less than was last reported is worth another report. */
const NOTABLE_MS = 100;

/**
 * Notices by the answers to ordinary requests that a node went, came back, or takes part again, and by checks of its health how far its clock is off. For
 * people; nothing is decided by it.
 */
export class NodeWatch {
  readonly #labels: readonly string[];
  /** A node counts as well until an answer says otherwise. */
  readonly #conditions: Condition[];
  /** How far each clock was off when that was last reported; null before the first report. */
  readonly #offsetsMs: (number | null)[];
  #listener: ((health: NodeHealth) => void) | null = null;

  constructor(nodes: readonly { readonly label: string }[]) {
    this.#labels = nodes.map(({ label }) => label);
    this.#conditions = nodes.map(() => 'takes part');
    this.#offsetsMs = nodes.map(() => null);
  }

  onChange(listener: (health: NodeHealth) => void): void {
    this.#listener = listener;
  }

  /** Votes say whether the node takes part. */
  voted(node: number, answer: NodeAnswer<readonly Vote[]>): void {
    if (this.#listener === null) return;
    const rest = answer.kind === 'answered' ? restOf(answer.value) : 0;
    if (rest > 0) this.#becomes(node, 'rests', { up: true, quarantinedForMs: rest, problem: 'it is in quarantine' });
    else if (answer.kind === 'answered') this.#becomes(node, 'takes part', { up: true, quarantinedForMs: 0, problem: null });
    else this.answered(node, answer);
  }

  /** Any other answer only says that the node is there; whether it takes part, the next vote will say. */
  answered(node: number, answer: NodeAnswer<unknown>): void {
    if (this.#listener === null || answer.kind !== 'failed') return;
    this.#becomes(node, 'is away', { up: false, quarantinedForMs: null, problem: answer.failure.message });
  }

  /** A check of the nodes' health, which alone asks them for their clocks. */
  checked(healths: readonly NodeHealth[]): void {
    for (const [node, health] of healths.entries()) {
      const { clockOffsetMs } = health;
      const before = this.#offsetsMs[node] ?? null;
      if (clockOffsetMs === null || (before !== null && Math.abs(clockOffsetMs - before) < NOTABLE_MS)) continue;
      this.#offsetsMs[node] = clockOffsetMs;
      this.#listener?.(health);
    }
  }

  #becomes(node: number, condition: Condition, health: Pick<NodeHealth, 'up' | 'quarantinedForMs' | 'problem'>): void {
    if (this.#conditions[node] === condition) return;
    this.#conditions[node] = condition;
    this.#listener?.({ node: this.#labels[node] ?? '', clockOffsetMs: null, ...health });
  }
}

function restOf(votes: readonly Vote[]): number {
  return Math.max(0, ...votes.map((vote) => (vote.kind === 'abstained' ? (vote.forMs ?? 0) : 0)));
}
