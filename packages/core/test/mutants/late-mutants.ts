import type { BackendMarks, CallContext, HoldRef, LockBackend } from '@holdfast/core';
import { each, type Mutant } from './mutant.js';

/** Requests that arrive behind the release that was to undo them. Over a way on which they can, and expire. */
export const lateMutants: readonly Mutant[] = [
  {
    id: 'release-says-final-at-once',
    breaks: 'a release is final only when no request of its owner can take effect any more',
    caughtBy: ['late/soon', 'backend/late-exclusive', 'backend/late-permits'],
    breakBackend: each((backend) => ({
      async release(holds, call) {
        const answers = await backend.release(holds, call);
        return answers.map((answer) => ({ wasOurs: typeof answer === 'boolean' ? answer : answer.wasOurs, isFinal: true }));
      },
    })),
  },
  {
    id: 'requests-never-expire',
    breaks: 'the store refuses a request that comes later than its call allows',
    caughtBy: ['late/later', 'backend/late-exclusive', 'backend/late-write'],
    breakBackend: each((backend) => granting(backend, () => 60_000)),
  },
  {
    id: 'what-a-release-names-never-expires',
    breaks: 'the store refuses the request that a release names when it comes later than its call allows',
    caughtBy: ['backend/late-next'],
    breakBackend: each((backend) => {
      const { attempt, release, ...rest } = granting(backend, () => 60_000);
      return {
        ...rest,
        attempt,
        takesNext: true,
        async release(holds, call) {
          // Behind the release, on the same way.
          const freed = release(holds, call);
          const named = holds.flatMap(({ next }) => next ?? []);
          const granted = named.length === 0 ? [] : attempt(named, call);
          const [answers, [first]] = await Promise.all([freed, granted]);
          return answers.map((answer, index) => {
            const told = typeof answer === 'boolean' ? { wasOurs: answer, isFinal: true } : answer;
            return holds[index]?.next === undefined ? told : { ...told, next: first?.granted === true ? first : null };
          });
        },
      };
    }),
  },
  {
    id: 'requests-expire-by-the-wall-clock-of-their-client',
    breaks: "the store's clock decides until when a request may take effect",
    caughtBy: ['late/clock-ahead'],
    breakBackend: each((backend) =>
      // What a client reckons with its own wall clock is off by as much as that is.
      granting(backend, (call) => call.timeoutMs + call.clock.wall() - Date.now()),
    ),
  },
  {
    id: 'late-marks-are-set',
    breaks: 'a mark that is set late does not come back behind its deletion',
    caughtBy: ['late/mark-set', 'late/mark-set-clock-ahead'],
    breakBackend: marks((whole) => ({
      set: (name, ms, call, setter) => whole.set(name, ms, patient(call), setter),
    })),
  },
  {
    id: 'late-deletions-are-carried-out',
    breaks: 'a deletion that arrives late leaves a mark that was set since',
    caughtBy: ['late/mark-deletion'],
    breakBackend: marks((whole) => ({
      delete: async (name, call) => (await whole.delete?.(name, patient(call))) === true,
    })),
  },
];

function marks(change: (whole: BackendMarks) => Partial<BackendMarks>): () => (backend: LockBackend) => LockBackend {
  return each((backend) => {
    const { marks: whole } = backend;
    return whole === undefined ? {} : { marks: { ...whole, ...change(whole) } };
  });
}

/** As if the request might take effect for a minute. */
function patient({ signal, clock }: CallContext): CallContext {
  return { signal, clock, timeoutMs: 60_000 };
}

/** Another time for what grants and renews; which release is the last word is reckoned with the time that was to count. */
function granting(backend: LockBackend, timeoutMs: (call: CallContext) => number): Pick<LockBackend, 'attempt' | 'renew' | 'release'> {
  const until = new Map<string, number>();
  const note = (holds: readonly HoldRef[], call: CallContext): CallContext => {
    for (const { owner } of holds) until.set(owner, performance.now() + call.timeoutMs);
    const { signal, clock } = call;
    return { signal, clock, timeoutMs: timeoutMs(call) };
  };
  return {
    attempt: (requests, call) => backend.attempt(requests, note(requests, call)),
    renew: (holds, call) => backend.renew(holds, note(holds, call)),
    async release(holds, call) {
      const answers = await backend.release(holds, call);
      return answers.map((answer, index) => {
        if (typeof answer === 'boolean') return answer;
        const isPast = performance.now() > (until.get(holds[index]?.owner ?? '') ?? 0) + 50;
        return { wasOurs: answer.wasOurs, isFinal: answer.isFinal || isPast };
      });
    },
  };
}
