import {
  type BackendMarks,
  type CallContext,
  LockUnavailableError,
  MAX_DURATION_MS,
  type MarkSetter,
  type StoredMark,
} from '@holdfast/core';
import { inParts } from '@holdfast/core/backend';
import { BACKEND, tooFewNodes, undecided } from '../redlock-error.js';
import { answersOf, askNodes, type NodeAnswer } from './ask-nodes.js';
import type { ProtocolContext } from './context.js';
import type { MarkCommand, MarkReply, NodeMark } from './node.js';

/** Until a quorum has it a mark stands for so long, so that a setter that died half-way stands in nobody's way. */
const PROVISIONAL_MS = 10_000;
const ROUNDS = 10;
const LONGEST_JITTER_MS = 40;
const OWNER_DIGITS = 32;
const SHOWN_DIGITS = 8;
/** How many marks of a listing are asked for at a time. */
const PAGE = 200;

type Answers = readonly NodeAnswer<MarkReply>[];

/** Completion marks: one stands when a quorum of nodes has it from the same round of the same owner. */
export class RedlockMarks implements BackendMarks {
  readonly #context: ProtocolContext;
  readonly #newToken: () => string;
  readonly #refuseIfClosed: () => void;

  /** @param newToken 32 lower-case hex digits, fresh each time */
  constructor(context: ProtocolContext, newToken: () => string, refuseIfClosed: () => void) {
    this.#context = context;
    this.#newToken = newToken;
    this.#refuseIfClosed = refuseIfClosed;
  }

  /**
   * A mark is set first for a while, then, once it is won, for its whole time.
   *
   * @returns whether it is this owner's; false when it stood already, from somebody else
   * @throws LockUnavailableError when too few nodes answered, or nobody won; it may then be set anyway for a while
   */
  async set(name: string, retentionMs: number, call: CallContext, setter?: MarkSetter): Promise<boolean> {
    this.#refuseIfClosed();
    const { quorum } = this.#context.settings;
    const owner = setter?.owner || this.#newToken();
    const label = setter?.label ?? '';
    const endsAt = call.clock.now() + call.timeoutMs;
    for (let round = 0; round < ROUNDS && call.clock.now() < endsAt; round++) {
      // Each round is somebody of its own: what is late of an earlier one must not count for this one, nor take it away.
      const token = owner + this.#newToken().slice(0, SHOWN_DIGITS);
      const ms = Math.min(retentionMs, PROVISIONAL_MS);
      const isDecided = (answers: Answers, pending: number): boolean => isSettled(answers, pending, quorum);
      // One round after the other: the next one is for a mark that nobody has won.
      // oxlint-disable-next-line no-await-in-loop
      const answers = await this.#ask(name, { what: 'set', token, ms, label }, call, endsAt, isDecided);
      const winner = winnerOf(answers, quorum);
      // oxlint-disable-next-line no-await-in-loop
      if (winner === shown(token)) return await this.#keep(name, token, retentionMs, call, endsAt);
      // oxlint-disable-next-line no-await-in-loop
      await this.#ask(name, { what: 'drop', token }, call, endsAt, (_, pending) => pending <= this.#context.nodes.length - quorum);
      if (winner !== null) {
        // Won by an earlier request of this owner, whose answer was lost.
        const isOwn = setter !== undefined && setter.owner !== '' && winner.startsWith(owner.slice(0, SHOWN_DIGITS));
        // oxlint-disable-next-line no-await-in-loop
        return isOwn && (await this.#keep(name, owner + winner.slice(SHOWN_DIGITS), retentionMs, call, endsAt));
      }
      if (marksOf(answers).length < quorum) throw tooFewNodes(this.#context.nodes, answers, quorum, name);
      // oxlint-disable-next-line no-await-in-loop
      await new Promise<void>((resolve) => {
        call.clock.setTimer(call.clock.random() * Math.min(LONGEST_JITTER_MS, 2 << round), resolve);
      });
    }
    throw undecided('several clients set the mark at once, and none of them won in time', name);
  }

  async has(name: string, call: CallContext): Promise<boolean> {
    return (await this.get(name, call)) !== null;
  }

  /** @throws LockUnavailableError when too few nodes answered to tell */
  async get(name: string, call: CallContext): Promise<StoredMark | null> {
    this.#refuseIfClosed();
    const { quorum } = this.#context.settings;
    const endsAt = call.clock.now() + call.timeoutMs;
    const answers = await this.#ask(name, { what: 'read' }, call, endsAt, (soFar, pending) => isSettled(soFar, pending, quorum));
    const winner = winnerOf(answers, quorum);
    const marks = marksOf(answers);
    if (winner !== null) return toldMark(name, marks, winner, quorum);
    const unknown = this.#context.nodes.length - marks.length;
    if (marks.length < quorum || mostOf(marks) + unknown >= quorum) throw tooFewNodes(this.#context.nodes, answers, quorum, name);
    return null;
  }

  /** On as many nodes as leave no quorum of it. What a node keeps that was not reached is a minority. */
  async delete(name: string, call: CallContext): Promise<boolean> {
    const stood = await this.get(name, call);
    const { nodes, settings } = this.#context;
    const endsAt = call.clock.now() + call.timeoutMs;
    const answers = await this.#ask(name, { what: 'delete' }, call, endsAt, () => false);
    if (answersOf(answers).length < settings.quorum) throw tooFewNodes(nodes, answers, settings.quorum, name);
    return stood !== null;
  }

  async *list(prefix: string, call: CallContext): AsyncIterable<StoredMark> {
    this.#refuseIfClosed();
    const { nodes, settings } = this.#context;
    const { nodeTimeoutMs, quorum } = settings;
    // A mark that stands is on one at least of any quorum of nodes: a node that is stopped is not waited for. Each page has its own deadline.
    const answers = await askNodes({
      nodes,
      clock: call.clock,
      timeoutMs: MAX_DURATION_MS,
      ask: (node) => node.markNames(prefix, nodeTimeoutMs),
      isDecided: (soFar) => answersOf(soFar).length >= quorum,
    });
    const found = answersOf(answers);
    if (found.length < quorum) throw tooFewNodes(nodes, answers, quorum, null);
    const names = [...new Set(found.flat())];
    for (const some of inParts(names, PAGE)) {
      // oxlint-disable-next-line no-await-in-loop
      const marks = await Promise.all(some.map((name) => this.get(name, call)));
      yield* marks.filter((mark) => mark !== null);
    }
  }

  async #keep(name: string, token: string, ms: number, call: CallContext, endsAt: number): Promise<boolean> {
    const { quorum } = this.#context.settings;
    const kept = (answers: Answers): number => answersOf(answers).filter((reply) => reply.kind === 'done' && reply.isOwn).length;
    const answers = await this.#ask(name, { what: 'keep', token, ms }, call, endsAt, (soFar) => kept(soFar) >= quorum);
    if (kept(answers) >= quorum) return true;
    throw new LockUnavailableError('redlock: the mark was won, but too few nodes said that they keep it; it may stand for a while', {
      backend: BACKEND,
      lockName: name,
    });
  }

  #ask(
    name: string,
    command: MarkCommand,
    call: CallContext,
    endsAt: number,
    isDecided: (answers: Answers, pending: number) => boolean,
  ): Promise<Answers> {
    const { nodes, settings } = this.#context;
    const longestMs = Math.max(1, endsAt - call.clock.now());
    const timeoutMs = Math.min(settings.nodeTimeoutMs, longestMs);
    const ask = { nodes, clock: call.clock, timeoutMs, longestMs, enough: settings.quorum, isDecided };
    return askNodes<MarkReply>({ ...ask, ask: (node) => node.mark(name, command, timeoutMs) });
  }
}

/** What nodes show of a token: enough to tell setters apart, and for its owner to know it by. */
function shown(token: string): string {
  return token.slice(0, SHOWN_DIGITS) + token.slice(OWNER_DIGITS);
}

/** A mark stands until fewer than a quorum have it. */
function toldMark(name: string, marks: readonly (NodeMark | null)[], winner: string, quorum: number): StoredMark | null {
  const same = marks.filter((mark) => mark !== null && mark.setter === winner).filter((mark) => mark !== null);
  const rests = same.map(({ remainingMs }) => remainingMs).sort((a, b) => b - a);
  const remainingMs = rests[quorum - 1] ?? 0;
  return { name, ageMs: Math.max(...same.map(({ ageMs }) => ageMs)), remainingMs, label: same[0]?.label || null };
}

function marksOf(answers: Answers): readonly (NodeMark | null)[] {
  return answersOf(answers).flatMap((reply) => (reply.kind === 'mark' ? [reply.mark] : []));
}

function winnerOf(answers: Answers, quorum: number): string | null {
  const marks = marksOf(answers);
  const won = marks.find((mark) => mark !== null && marks.filter((other) => other?.setter === mark.setter).length >= quorum);
  return won?.setter ?? null;
}

/** How many nodes have it from the one whom most have it from. */
function mostOf(marks: readonly (NodeMark | null)[]): number {
  return Math.max(0, ...marks.map((mark) => (mark === null ? 0 : marks.filter((other) => other?.setter === mark.setter).length)));
}

/** Somebody has a quorum, or nobody can have one any more. */
function isSettled(answers: Answers, pending: number, quorum: number): boolean {
  const marks = marksOf(answers);
  const most = mostOf(marks);
  return most >= quorum || (most + pending < quorum && marks.length >= quorum);
}
