import type { HoldRequest, LockKind } from '@holdfast/core';
import type { Machine, Network } from '@holdfast/test/simulation';
import { KeyLayout, letterOf } from '../../src/node/key-layout.js';
import {
  type ConfirmRequest,
  type Extension,
  type ExtendRequest,
  type MarkCommand,
  type MarkReply,
  NodeFailure,
  type NodeState,
  type NodeStatus,
  type RedlockNode,
  type ReleaseRequest,
  type Vote,
  type VoteRequest,
  type WaitKey,
} from '../../src/protocol/node.js';
import type { SimulatedNode } from './simulated-node.js';

/** A server of the simulation. */
export interface SimulatedServer {
  readonly node: SimulatedNode;
  isUp: boolean;
  /** How often it has forgotten something: counters before and after do not compare. */
  losses: number;
}

/** A vote that a client was told of, and whether the node has confirmed it since. */
export interface ToldVote {
  readonly counter: number;
  readonly losses: number;
  isConfirmed: boolean;
}

const layout = new KeyLayout('holdfast:');

/** The way from one client to one node, over a network on which messages are late, lost, doubled and out of order. */
export class SimulatedLink implements RedlockNode {
  readonly label: string;
  readonly #network: Network;
  readonly #machine: Machine;
  readonly #server: SimulatedServer;
  readonly #id: string;
  readonly #told = new Map<string, ToldVote>();

  constructor(label: string, network: Network, machine: Machine, server: SimulatedServer, id: string) {
    this.label = label;
    this.#network = network;
    this.#machine = machine;
    this.#server = server;
    this.#id = id;
  }

  acquire(requests: readonly VoteRequest[]): Promise<readonly Vote[]> {
    return this.#send(
      (node) => node.acquire(this.#id, requests),
      (votes) => {
        for (const [index, vote] of votes.entries()) {
          const owner = requests[index]?.unit.owner ?? '';
          if (vote.kind === 'granted') this.#told.set(owner, { counter: vote.counter, losses: this.#server.losses, isConfirmed: false });
        }
      },
    );
  }

  confirm(requests: readonly ConfirmRequest[]): Promise<readonly boolean[]> {
    return this.#send(
      (node) => node.confirm(requests),
      (answers) => {
        for (const [index, answer] of answers.entries()) {
          const vote = this.#told.get(requests[index]?.unit.owner ?? '');
          if (vote !== undefined && answer) vote.isConfirmed = true;
        }
      },
    );
  }

  /** What the client was told for an owner, in the last of its rounds. */
  toldOf(owner: string): ToldVote | undefined {
    let last: ToldVote | undefined;
    for (const [own, vote] of this.#told) if (own.startsWith(owner.slice(0, 8))) last = vote;
    return last;
  }

  extend(requests: readonly ExtendRequest[]): Promise<readonly Extension[]> {
    return this.#send((node) => node.extend(requests));
  }

  release(requests: readonly ReleaseRequest[]): Promise<readonly boolean[]> {
    return this.#send((node) => node.release(requests));
  }

  withdraw(waiting: WaitKey): Promise<void> {
    return this.#send((node) => node.withdraw(this.#id, waiting));
  }

  mark(name: string, command: MarkCommand): Promise<MarkReply> {
    return this.#send((node) => node.mark(name, command));
  }

  inspect(name: string, kind: LockKind): Promise<NodeState> {
    return this.#send((node) => node.inspect(name, modeOfKind(kind)));
  }

  forceRelease(name: string, kind: LockKind): Promise<boolean> {
    return this.#send((node) => node.forceRelease(name, modeOfKind(kind)));
  }

  status(command: 'look' | 'open' | 'close'): Promise<NodeStatus & { readonly done: boolean }> {
    return this.#send((node) => node.status(command));
  }

  async *scan(): AsyncIterable<never> {}

  wakeKey(name: string, mode: HoldRequest['mode']): string {
    return layout.keysOf(name, letterOf[mode])[0];
  }

  listen(): void {}
  unlisten(): void {}
  async drain(): Promise<void> {}
  close(): void {}

  async #send<T>(carryOut: (node: SimulatedNode) => T, onReply: (reply: T) => void = () => {}): Promise<T> {
    const reply = await this.#network.ask({
      machine: this.#machine,
      carryOut: () => (this.#server.isUp ? { reply: carryOut(this.#server.node) } : null),
      ended: () => new NodeFailure('the connection ended', { mayHappen: true, retryable: true }),
    });
    onReply(reply);
    return reply;
  }
}

export function modeOfKind(kind: LockKind): 'exclusive' | 'write' | 'permits' {
  return kind === 'lock' ? 'exclusive' : kind === 'semaphore' ? 'permits' : 'write';
}
