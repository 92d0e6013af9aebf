import type { CallContext, LockKind, LockState } from '@holdfast/core';
import { tooFewNodes } from '../redlock-error.js';
import { answersOf, askNodes } from './ask-nodes.js';
import { type ProtocolContext, stepMs } from './context.js';
import { areCertain, mergeStates } from './merge-states.js';
import type { NodeState, RedlockNode } from './node.js';

/** @throws LockUnavailableError when fewer than a quorum answered */
export async function inspectName(context: ProtocolContext, name: string, kind: LockKind, call: CallContext): Promise<LockState> {
  const { quorum } = context.settings;
  const isDecided = (soFar: readonly NodeState[], pending: number): boolean => areCertain(soFar, pending, quorum);
  const states = await askQuorum(context, name, call, (node, timeoutMs) => node.inspect(name, kind, timeoutMs), isDecided);
  return mergeStates(name, kind, states, quorum);
}

/**
 * @returns whether what was freed was a hold
 * @throws LockUnavailableError when fewer than a quorum answered
 */
export async function forceReleaseName(context: ProtocolContext, name: string, kind: LockKind, call: CallContext): Promise<boolean> {
  const { quorum } = context.settings;
  const isDecided = (soFar: readonly boolean[], pending: number): boolean => {
    const had = soFar.filter((wasHeld) => wasHeld).length;
    return soFar.length >= quorum && (had >= quorum || had === 0 || had + pending < quorum);
  };
  const freed = await askQuorum(context, name, call, (node, timeoutMs) => node.forceRelease(name, kind, timeoutMs), isDecided);
  // With nodes that did not answer, what was freed on fewer than a quorum may have been a hold, and is none any more.
  const unknown = context.nodes.length - freed.length;
  const count = freed.filter((wasHeld) => wasHeld).length;
  return count > 0 && count + unknown >= quorum;
}

/** What was answered, by a quorum or more. @param isDecided looked at after each answer: true ends the waiting */
async function askQuorum<T>(
  { nodes, settings }: ProtocolContext,
  name: string,
  call: CallContext,
  ask: (node: RedlockNode, timeoutMs: number) => Promise<T>,
  isDecided: (answers: readonly T[], pending: number) => boolean,
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
