import type { Answer, HoldRequest, LockBackend, Release, ReleaseAnswer } from '@holdfast/core';
import { altered } from './mutants/mutant.js';

/** How long a waiter is granted before it has confirmed. */
export const PROVISIONAL_MS = 1_800;

/** What a mutant of it does instead. */
export interface HandingRules {
  /** Whether the next one is granted. `wasOurs`: the hold in front was its owner's. */
  readonly grantsNext: (wasOurs: boolean) => boolean;
  /** What becomes of the answer of the next one. */
  readonly answerOf: (answer: Answer | undefined) => Answer | null | undefined;
}

const rules: HandingRules = { grantsNext: (wasOurs) => wasOurs, answerOf: (answer) => (answer?.granted === true ? answer : null) };

/**
 * The memory backend with a queue in the store, in which only the first of each manager stands: grants out of the queue are provisional, and a
 * release hands on to the next one of its own manager where nobody else waits.
 */
export function handing(backend: LockBackend, changes: Partial<HandingRules> = {}): LockBackend {
  const { grantsNext, answerOf } = { ...rules, ...changes };
  return altered(backend, {
    capabilities: { ...backend.capabilities, fair: false },
    tellsQueued: true,
    takesNext: true,
    async wait(request, call) {
      if (backend.wait === undefined) throw new Error('the backend has no queue');
      return { ...(await backend.wait(request, call)), forMs: PROVISIONAL_MS };
    },
    async release(holds: readonly Release[], call) {
      const answers = await backend.release(holds, call);
      return Promise.all(
        answers.map(async (answer, index): Promise<boolean | ReleaseAnswer> => {
          const next: HoldRequest | undefined = holds[index]?.next;
          const wasOurs = typeof answer === 'boolean' ? answer : answer.wasOurs;
          if (next === undefined) return answer;
          const granted = grantsNext(wasOurs) ? (await backend.attempt([next], call))[0] : undefined;
          const told = answerOf(granted);
          return { wasOurs, isFinal: true, ...(told === undefined ? {} : { next: told }) };
        }),
      );
    },
  });
}
