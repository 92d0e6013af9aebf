import type { CallContext, LockKind, LockState } from '@holdfast/core';
import { tooFewNodes } from '../redlock-error.js';
import { answersOf, askNodes, type Question } from './ask-nodes.js';
import { type ProtocolContext, stepMs } from './context.js';
import { areCertain, mergeStates } from './merge-states.js';

/** @throws LockUnavailableError when fewer than a quorum answered */
export async function inspectName(context: ProtocolContext, name: string, kind: LockKind, call: CallContext): Promise<LockState> {
  const { quorum } = context.settings;
  const states = await askQuorum(context, name, call, {
    ask: (node, timeoutMs) => node.inspect(name, kind, timeoutMs),
    isDecided: (soFar, pending) => areCertain(soFar, pending, quorum),
  });
  return mergeStates(name, kind, states, quorum);
}

/**
 * @returns whether what was freed was a hold
 * @throws LockUnavailableError when fewer than a quorum answered
 */
export async function forceReleaseName(context: ProtocolContext, name: string, kind: LockKind, call: CallContext): Promise<boolean> {
  const { quorum } = context.settings;
  const freed = await askQuorum(context, name, call, {
    ask: (node, timeoutMs) => node.forceRelease(name, kind, timeoutMs),
    isDecided: (soFar, pending) => {
      const had = soFar.filter((wasHeld) => wasHeld).length;
      return soFar.length >= quorum && (had >= quorum || had === 0 || had + pending < quorum);
    },
  });
  // With nodes that did not answer, what was freed on fewer than a quorum may have been a hold, and is none any more.
  const unknown = context.nodes.length - freed.length;
  const count = freed.filter((wasHeld) => wasHeld).length;
  return count > 0 && count + unknown >= quorum;
}

interface QuorumQuestion<T> {
  readonly ask: (node: ProtocolContext['nodes'][number], timeoutMs: number) => ReturnType<Question<T>['ask']>;
  /** Looked at after each answer: true ends the waiting. */
  readonly isDecided: (answers: readonly T[], pending: number) => boolean;
}

/** What was answered, by a quorum or more. */
async function askQuorum<T>(
  { nodes, settings }: ProtocolContext,
  name: string,
  call: CallContext,
  { ask, isDecided }: QuorumQuestion<T>,
): Promise<readonly T[]> {
  const timeoutMs = stepMs(settings, call.timeoutMs);
  const answers = await askNodes<T>({
    nodes,
    clock: call.clock,
    timeoutMs,
    enough: settings.quorum,
    longestMs: call.timeoutMs,
    ask: (node) => ask(node, timeoutMs),
    isDecided: (soFar, pending) => isDecided(answersOf(soFar), pending),
  });
  const answered = answersOf(answers);
  if (answered.length < settings.quorum) throw tooFewNodes(nodes, answers, settings.quorum, name);
  return answered;
}
