import { isLockError } from '@holdfast/core';
import type { Mutant } from './mutant.js';

/** What no product may do, whatever its store. */
export const commonMutants: readonly Mutant[] = [
  {
    id: 'renewals-made-up',
    breaks: 'a renewal is believed when the store has carried it out',
    rule: 'I2',
    backend: () => ({ renew: async (holds) => holds.map(() => true) }),
  },
  {
    id: 'time-stands-still',
    breaks: 'time goes on while a process stands still',
    rule: 'I2',
    clock: (machine) => {
      const { clock } = machine;
      let still = 0;
      let last = 0;
      // It takes every pause for a moment.
      const now = (): number => {
        const at = clock.now();
        if (at - last > 100) still += at - last;
        last = at;
        return at - still;
      };
      return { ...clock, now, wall: now };
    },
  },
  {
    id: 'waits-for-ever',
    breaks: 'a call settles when the store does not answer',
    rule: 'I4',
    manager: (manager) => ({
      acquire: (name, options) =>
        manager.acquire(name, options).catch((error: unknown) => {
          if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) return new Promise<never>(() => {});
          throw error;
        }),
    }),
  },
  {
    id: 'doubts-not-released',
    breaks: 'what a failed request may have taken is freed',
    rule: 'I5',
    backend: (backend) => {
      const failed = new Set<string>();
      return {
        attempt: async (requests, call) => {
          try {
            return await backend.attempt(requests, call);
          } catch (error) {
            for (const { owner } of requests) failed.add(owner);
            throw error;
          }
        },
        release: async (holds, call) =>
          holds.some(({ owner }) => failed.has(owner))
            ? holds.map(() => ({ wasOurs: false, isFinal: true }))
            : backend.release(holds, call),
      };
    },
  },
  {
    id: 'failure-is-busy',
    breaks: 'a store that fails is not taken for busy',
    rule: 'I6',
    backend: (backend) => ({
      attempt: (requests, call) =>
        backend.attempt(requests, call).catch(() => requests.map(() => ({ granted: false, remainingMs: null }) as const)),
    }),
  },
  {
    id: 'timers-late',
    breaks: 'the signal aborts at the deadline',
    rule: 'I7',
    clock: ({ clock }) => ({ ...clock, setTimer: (delayMs, fire) => clock.setTimer(delayMs * 1.5, fire) }),
  },
  {
    id: 'release-says-true',
    breaks: 'a release says whether it has freed anything',
    rule: 'I10',
    backend: (backend) => ({
      release: async (holds, call) =>
        (await backend.release(holds, call)).map((answer) => (typeof answer === 'object' ? { ...answer, wasOurs: true } : true)),
    }),
  },
];
