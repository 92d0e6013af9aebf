import type { NodeHealth } from '@holdfast/core';
import type { NodeAnswer } from './ask-nodes.js';
import type { Vote } from './node.js';

type Condition = 'takes part' | 'rests' | 'is away';

/** Notices by the answers to ordinary requests that a node went, came back, or takes part again. For people; nothing is decided by it. */
export class NodeWatch {
  readonly #labels: readonly string[];
  /** A node counts as well until an answer says otherwise. */
  readonly #conditions: Condition[];
  #listener: ((health: NodeHealth) => void) | null = null;

  constructor(nodes: readonly { readonly label: string }[]) {
    this.#labels = nodes.map(({ label }) => label);
    this.#conditions = nodes.map(() => 'takes part');
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

  #becomes(node: number, condition: Condition, health: Pick<NodeHealth, 'up' | 'quarantinedForMs' | 'problem'>): void {
    if (this.#conditions[node] === condition) return;
    this.#conditions[node] = condition;
    this.#listener?.({ node: this.#labels[node] ?? '', clockOffsetMs: null, ...health });
  }
}

function restOf(votes: readonly Vote[]): number {
  return Math.max(0, ...votes.map((vote) => (vote.kind === 'abstained' ? (vote.forMs ?? 0) : 0)));
}
