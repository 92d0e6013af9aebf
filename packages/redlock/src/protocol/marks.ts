import { type CallContext, LockUnavailableError } from '@holdfast/core';
import { BACKEND, tooFewNodes, undecided } from '../redlock-error.js';
import { answersOf, askNodes, type NodeAnswer } from './ask-nodes.js';
import type { ProtocolContext } from './context.js';
import type { MarkCommand, MarkReply } from './node.js';

/** Until a quorum has it a mark stands for so long, so that a setter that died half-way stands in nobody's way. */
const PROVISIONAL_MS = 10_000;
const ROUNDS = 10;
const LONGEST_JITTER_MS = 40;

type Answers = readonly NodeAnswer<MarkReply>[];

/**
 * A mark is set when a quorum of nodes has it from the same setter: first for a while, then, once it is won, for its whole time.
 *
 * @param newToken a fresh token, as each round is somebody of its own
 * @returns whether this call set it; false when it stood
 * @throws LockUnavailableError when too few nodes answered, or nobody won; it may then be set all the same for a while
 */
export async function setMark(
  context: ProtocolContext,
  name: string,
  retentionMs: number,
  call: CallContext,
  newToken: () => string,
): Promise<boolean> {
  const { quorum } = context.settings;
  const endsAt = call.clock.now() + call.timeoutMs;
  for (let round = 0; round < ROUNDS && call.clock.now() < endsAt; round++) {
    const token = newToken();
    const setter = token.slice(0, 8);
    const ms = Math.min(retentionMs, PROVISIONAL_MS);
    const isDecided = (answers: Answers, pending: number): boolean => isSettled(answers, pending, quorum);
    // One round after the other: the next one is for a mark that nobody has won.
    // oxlint-disable-next-line no-await-in-loop
    const answers = await askMark(context, name, { what: 'set', token, ms }, call, endsAt, isDecided);
    const winner = winnerOf(answers, quorum);
    if (winner === setter) {
      // oxlint-disable-next-line no-await-in-loop
      return await keepMark(context, name, token, retentionMs, call, endsAt);
    }
    // oxlint-disable-next-line no-await-in-loop
    await askMark(context, name, { what: 'drop', token }, call, endsAt, (_, pending) => pending <= context.nodes.length - quorum);
    if (winner !== null) return false;
    if (settersOf(answers).length < quorum) throw tooFewNodes(context.nodes, answers, quorum, name);
    // oxlint-disable-next-line no-await-in-loop
    await new Promise<void>((resolve) => {
      call.clock.setTimer(call.clock.random() * Math.min(LONGEST_JITTER_MS, 2 << round), resolve);
    });
  }
  throw undecided('several clients set the mark at once, and none of them won in time', name);
}

/** @throws LockUnavailableError when too few nodes answered to tell */
export async function hasMark(context: ProtocolContext, name: string, call: CallContext): Promise<boolean> {
  const { quorum } = context.settings;
  const endsAt = call.clock.now() + call.timeoutMs;
  const answers = await askMark(context, name, { what: 'read' }, call, endsAt, (soFar, pending) => isSettled(soFar, pending, quorum));
  if (winnerOf(answers, quorum) !== null) return true;
  const setters = settersOf(answers);
  const unknown = context.nodes.length - setters.length;
  if (setters.length < quorum || mostOf(setters) + unknown >= quorum) throw tooFewNodes(context.nodes, answers, quorum, name);
  return false;
}

async function keepMark(
  context: ProtocolContext,
  name: string,
  token: string,
  ms: number,
  call: CallContext,
  endsAt: number,
): Promise<boolean> {
  const { quorum } = context.settings;
  const kept = (answers: Answers): number => answersOf(answers).filter((reply) => reply.kind === 'done' && reply.isOwn).length;
  const answers = await askMark(context, name, { what: 'keep', token, ms }, call, endsAt, (soFar) => kept(soFar) >= quorum);
  if (kept(answers) >= quorum) return true;
  throw new LockUnavailableError('redlock: the mark was won, but too few nodes said that they keep it; it may stand for a while', {
    backend: BACKEND,
    lockName: name,
  });
}

function askMark(
  context: ProtocolContext,
  name: string,
  command: MarkCommand,
  call: CallContext,
  endsAt: number,
  isDecided: (answers: Answers, pending: number) => boolean,
): Promise<Answers> {
  const timeoutMs = Math.max(1, Math.min(context.settings.nodeTimeoutMs, endsAt - call.clock.now()));
  const longestMs = endsAt - call.clock.now();
  const ask = { nodes: context.nodes, clock: call.clock, timeoutMs, longestMs, enough: context.settings.quorum, isDecided };
  return askNodes<MarkReply>({ ...ask, ask: (node) => node.mark(name, command, timeoutMs) });
}

function settersOf(answers: Answers): readonly (string | null)[] {
  return answersOf(answers).flatMap((reply) => (reply.kind === 'mark' ? [reply.setter] : []));
}

function winnerOf(answers: Answers, quorum: number): string | null {
  const setters = settersOf(answers);
  return setters.find((setter) => setter !== null && setters.filter((other) => other === setter).length >= quorum) ?? null;
}

/** How many nodes have it from the one whom most have it from. */
function mostOf(setters: readonly (string | null)[]): number {
  return Math.max(0, ...setters.map((setter) => (setter === null ? 0 : setters.filter((other) => other === setter).length)));
}

/** Somebody has a quorum, or nobody can have one any more. */
function isSettled(answers: Answers, pending: number, quorum: number): boolean {
  const most = mostOf(settersOf(answers));
  return most >= quorum || (most + pending < quorum && settersOf(answers).length >= quorum);
}
