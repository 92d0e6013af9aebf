import type { Answer, CallContext, HoldRef, HoldRequest, LockBackend, LockKind } from '@holdfast/core';
import { altered } from './mutant.js';

/** What the clients of one store were granted and have not freed, as far as their wrappers saw. */
export interface BookedHold {
  readonly request: HoldRequest;
  readonly grantedAt: number;
  readonly wallAt: number;
  expiresAt: number;
}

/** Remembers who has what, so that a mutant can give it to somebody else. One a store. */
export class HoldBook {
  readonly #holds = new Map<string, BookedHold>();

  of(name: string, mode: HoldRef['mode']): readonly BookedHold[] {
    return [...this.#holds.values()].filter((hold) => hold.request.name === name && kindOf(hold.request.mode) === kindOf(mode));
  }

  get all(): readonly BookedHold[] {
    return [...this.#holds.values()];
  }

  holdOf(owner: string): BookedHold | undefined {
    return this.#holds.get(owner);
  }

  grant(request: HoldRequest, call: CallContext): void {
    const now = performance.now();
    this.#holds.set(request.owner, { request, grantedAt: now, wallAt: call.clock.wall(), expiresAt: now + request.ttlMs });
  }

  free(owner: string): void {
    this.#holds.delete(owner);
  }

  freeAll(name: string, kind: LockKind): void {
    for (const hold of this.all) if (hold.request.name === name && kindOf(hold.request.mode) === kind) this.free(hold.request.owner);
  }
}

export function kindOf(mode: HoldRef['mode']): LockKind {
  if (mode === 'exclusive') return 'lock';
  return mode === 'permits' ? 'semaphore' : 'read-write';
}

/** The backend, whose grants and releases are booked; `changes` see the booked one. */
export function booked(backend: LockBackend, book: HoldBook, changes: (backend: LockBackend) => Partial<LockBackend>): LockBackend {
  const { wait } = backend;
  const seen = altered(backend, {
    async attempt(requests, call) {
      const answers = await backend.attempt(requests, call);
      answers.forEach((answer, index) => {
        const request = requests[index];
        if (answer.granted && request !== undefined) book.grant(request, call);
      });
      return answers;
    },
    async renew(holds, call) {
      const answers = await backend.renew(holds, call);
      holds.forEach((hold, index) => {
        const standing = book.holdOf(hold.owner);
        if (answers[index] && standing !== undefined) standing.expiresAt = Math.max(standing.expiresAt, performance.now() + hold.ttlMs);
      });
      return answers;
    },
    async release(holds, call) {
      const answers = await backend.release(holds, call);
      for (const hold of holds) book.free(hold.owner);
      return answers;
    },
    async forceRelease(name, kind, call) {
      const answer = await backend.forceRelease(name, kind, call);
      book.freeAll(name, kind);
      return answer;
    },
    ...(wait && {
      async wait(request: HoldRequest, call: CallContext): Promise<Extract<Answer, { granted: true }>> {
        const answer = await wait.call(backend, request, call);
        book.grant(request, call);
        return answer;
      },
    }),
  });
  return altered(seen, changes(seen));
}
