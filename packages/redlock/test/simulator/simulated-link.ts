import type { HoldRequest, LockKind } from '@holdfast/core';
import { GrantLedger, notAfterFrom, type OpenGrant, ServerClock, windowMs } from '@holdfast/core/backend';
import type { Machine, Network } from '@holdfast/test/simulation';
import { letterOf } from '@holdfast/redis/connection';
import { KeyLayout } from '../../src/node/key-layout.js';
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
  type Release,
  type ReleaseRequest,
  type Vote,
  type VoteRequest,
  type WaiterNote,
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

/** A vote that a client was notified of, and whether the node has confirmed it since. */
export interface ToldVote {
  /** Of the round: later rounds of an attempt sort behind earlier ones. */
  readonly owner: string;
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
  readonly #clock = new ServerClock();
  readonly #grants = new GrantLedger();

  constructor(label: string, network: Network, machine: Machine, server: SimulatedServer, id: string) {
    this.label = label;
    this.#network = network;
    this.#machine = machine;
    this.#server = server;
    this.#id = id;
  }

  acquire(requests: readonly VoteRequest[], timeoutMs: number): Promise<readonly Vote[]> {
    return this.#grant(
      requests.map(({ unit }) => unit.owner),
      timeoutMs,
      (node) => node.acquire(this.#id, requests),
      (votes) => {
        for (const [index, vote] of votes.entries()) {
          const owner = requests[index]?.unit.owner ?? '';
          if (vote.kind === 'granted')
            this.#told.set(owner, { owner, counter: vote.counter, losses: this.#server.losses, isConfirmed: false });
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

  /** What the client has heard for an owner, in the last of its rounds. */
  toldOf(owner: string): ToldVote | undefined {
    let last: ToldVote | undefined;
    for (const [own, vote] of this.#told) if (own.startsWith(owner.slice(0, 8))) last = vote;
    return last;
  }

  extend(requests: readonly ExtendRequest[], timeoutMs: number): Promise<readonly Extension[]> {
    return this.#grant(
      requests.map(({ unit }) => unit.owner),
      timeoutMs,
      (node) => node.extend(requests),
      () => {},
    );
  }

  async release(requests: readonly ReleaseRequest[]): Promise<readonly Release[]> {
    const open: (OpenGrant | undefined)[] = requests.map(({ owner }) => this.#grants.releasing(owner));
    const { freed, ms } = await this.#send((node) => ({ freed: node.release(this.#id, requests), ms: node.nowMs }));
    return requests.map(({ owner }, index) => ({
      wasFreed: freed[index] === true,
      isFinal: this.#grants.isFinal(owner, open[index], null, ms),
    }));
  }

  withdraw(waiting: WaitKey): Promise<void> {
    return this.#send((node) => node.withdraw(this.#id, waiting));
  }

  noteWaiters(notes: readonly WaiterNote[]): Promise<void> {
    return this.#send((node) => node.noteWaiters(this.#id, notes));
  }

  mark(name: string, command: MarkCommand): Promise<MarkReply> {
    return this.#send((node) => node.mark(name, command));
  }

  async markNames(): Promise<readonly string[]> {
    return [];
  }

  inspect(name: string, kind: LockKind): Promise<NodeState> {
    return this.#send((node) => node.inspect(name, modeOfKind(kind)));
  }

  forceRelease(name: string, kind: LockKind): Promise<boolean> {
    return this.#send((node) => node.forceRelease(this.#id, name, modeOfKind(kind)));
  }

  status(command: 'look' | 'greet' | 'open' | 'close'): Promise<NodeStatus & { readonly done: boolean }> {
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

  /** A request that the node refuses once it comes too late: asked a second time as the sender does. */
  async #grant<T>(
    owners: readonly string[],
    timeoutMs: number,
    carryOut: (node: SimulatedNode) => T,
    onReply: (reply: T) => void,
  ): Promise<T> {
    const { clock } = this.#machine;
    // A message that comes twice is what a driver makes that sends again.
    const isSure = this.#network.weather.duplicates === 0;
    const startedAt = clock.now();
    let notAfter = this.#clock.notAfter(startedAt, timeoutMs);
    for (const isAgain of [false, true]) {
      const sentAt = clock.now();
      const limit = notAfter;
      for (const owner of owners) this.#grants.sent(owner, limit, null, sentAt, Number.POSITIVE_INFINITY);
      let answer: { readonly reply: T | null; readonly ms: number };
      try {
        // oxlint-disable-next-line no-await-in-loop
        answer = await this.#send(
          (node) => {
            const left = limit - node.nowMs;
            return { reply: left < 0 || left > windowMs(timeoutMs) ? null : carryOut(node), ms: node.nowMs };
          },
          ({ reply }) => {
            if (reply !== null) onReply(reply);
          },
        );
      } catch (error) {
        for (const owner of owners) this.#grants.settled(owner, false);
        throw error;
      }
      const { reply, ms } = answer;
      this.#clock.note(sentAt, ms, clock.now() - sentAt, timeoutMs);
      const isReleased = !owners.every((owner) => this.#grants.mayAskAgain(owner));
      for (const owner of owners) this.#grants.settled(owner, isSure);
      if (reply !== null) return reply;
      const leftMs = timeoutMs - (clock.now() - startedAt);
      if (isAgain || leftMs < 1 || isReleased) break;
      notAfter = notAfterFrom(ms, clock.now() - sentAt, leftMs);
    }
    throw new NodeFailure('it came too late', { mayHappen: true, retryable: true });
  }

  async #send<T>(carryOut: (node: SimulatedNode) => T, onReply: (reply: T) => void = () => {}): Promise<T> {
    const reply = await this.#network.ask({
      machine: this.#machine,
      connection: `${this.#id} ${this.label}`,
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
