import { randomBytes } from 'node:crypto';
import { type Answer, type CallContext, type HoldRequest, type LockBackend, systemClock } from '@holdfast/core';

// Speaks to a backend as core does, for the tests of what only one backend can show.

/** The answer that grants. */
export type Granted = Extract<Answer<bigint>, { granted: true }>;

/** A call as core makes it. */
export function callOf(timeoutMs = 2_000, signal: AbortSignal = new AbortController().signal): CallContext {
  return { timeoutMs, signal, clock: systemClock };
}

/** A name that no other test uses. */
export function newName(): string {
  return `name-${randomBytes(6).toString('hex')}`;
}

/** An owner token like core's. */
export function newOwner(): string {
  return randomBytes(16).toString('hex');
}

type Extra = Partial<Pick<HoldRequest, 'ttlMs' | 'label' | 'owner'>>;

/** A request for a lock or one side of a read/write lock, of an owner of its own. */
export function requestOf(name: string, mode: 'exclusive' | 'read' | 'write' = 'exclusive', extra: Extra = {}): HoldRequest {
  return { name, owner: newOwner(), label: 'test:1', ttlMs: 10_000, mode, ...extra };
}

/** A request for permits, of an owner of its own. */
export function permitsOf(name: string, permits: number, limit: number, extra: Extra = {}): HoldRequest {
  return { name, owner: newOwner(), label: 'test:1', ttlMs: 10_000, mode: 'permits', permits, limit, ...extra };
}

/** One attempt at one hold. */
export async function attempt(backend: LockBackend<bigint>, request: HoldRequest, timeoutMs?: number): Promise<Answer<bigint>> {
  const [answer] = await backend.attempt([request], callOf(timeoutMs));
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

/** Takes what must be free. */
export async function take(backend: LockBackend<bigint>, request: HoldRequest, timeoutMs?: number): Promise<Granted> {
  const answer = await attempt(backend, request, timeoutMs);
  if (!answer.granted) throw new Error(`${request.name} is busy`);
  return answer;
}

/** Whether it was this owner's. */
export async function free(backend: LockBackend<bigint>, request: HoldRequest): Promise<boolean> {
  const [freed] = await freeAll(backend, [request]);
  return freed === true;
}

/** Of each whether it was this owner's. */
export async function freeAll(backend: LockBackend<bigint>, requests: readonly HoldRequest[]): Promise<readonly boolean[]> {
  const answers = await backend.release(requests, callOf());
  return answers.map((answer) => (typeof answer === 'boolean' ? answer : answer.wasOurs));
}
