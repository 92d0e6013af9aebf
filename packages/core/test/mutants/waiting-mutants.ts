import type { Answer, CallContext, HoldRequest, LockBackend } from '@holdfast/core';
import { altered, each, type Mutant } from './mutant.js';

type Granted = Extract<Answer, { granted: true }>;

/** Waiting is pushed and in order, and nobody who leaves takes another's turn along. */
export const waitingMutants: readonly Mutant[] = [
  {
    id: 'loses-wakes',
    breaks: 'hand-overs are pushed where the backend says so',
    caughtBy: ['waiting/hand-over-is-pushed'],
    fair: false,
    breakBackend: each(() => ({ subscribe: () => ({ close() {} }) })),
  },
  {
    id: 'wakes-that-stay-with-the-dead',
    breaks: 'a waiter that is woken and gives up passes the turn on',
    caughtBy: ['waiting/timed-out-in-front', 'residue/after-use'],
    fair: false,
    breakBackend: each((backend) => {
      const { subscribe } = backend;
      return subscribe === undefined
        ? {}
        : {
            subscribe(request, wake) {
              let isOpen = true;
              subscribe.call(backend, request, () => {
                if (isOpen) wake();
              });
              return {
                close() {
                  isOpen = false;
                },
              };
            },
          };
    }),
  },
  {
    id: 'wakes-all-the-time',
    breaks: 'an idle waiter costs less than one request a second',
    caughtBy: ['waiting/idle-cost'],
    fair: false,
    breakBackend: each(() => ({
      subscribe(_request, wake) {
        const timer = setInterval(wake, 20);
        timer.unref();
        return { close: () => clearInterval(timer) };
      },
    })),
  },
  {
    id: 'last-come-first-served',
    breaks: 'a fair queue serves in the order of arrival',
    caughtBy: ['waiting/fair'],
    breakBackend: polling((line, owner) => line.at(-1) === owner),
  },
  {
    id: 'overtaken-by-attempts',
    breaks: 'with a fair backend a single attempt does not overtake those who wait',
    caughtBy: ['waiting/fair-try'],
    breakBackend: polling((line, owner) => line[0] === owner),
  },
  {
    id: 'polls-while-it-waits',
    breaks: 'an idle waiter costs less than one request a second',
    caughtBy: ['waiting/idle-cost'],
    breakBackend: polling((line, owner) => line[0] === owner),
  },
  {
    id: 'dead-waiters-keep-their-place',
    breaks: 'a dead waiter costs others at most two seconds',
    caughtBy: ['crash/waiter', 'waiting/close-wakes'],
    breakBackend: polling((line, owner) => line[0] === owner, false),
  },
  {
    id: 'ghosts-in-the-queue',
    breaks: 'a waiter that leaves takes its place in the queue along',
    caughtBy: ['exclusive/lock/abort-while-waiting', 'backend/released-in-the-queue', 'waiting/inspect'],
    breakBackend: each((backend) => {
      const { wait } = backend;
      const queued = new Set<string>();
      return wait === undefined
        ? {}
        : {
            wait: (request, call) => {
              queued.add(request.owner);
              const signal = new AbortController().signal;
              return new Promise<Granted>((resolve, reject) => {
                call.signal.addEventListener('abort', () => reject(new Error('the caller left')));
                wait.call(backend, request, { ...call, signal }).then((answer) => {
                  if (!call.signal.aborted) queued.delete(request.owner);
                  resolve(answer);
                }, reject);
              });
            },
            async release(holds, call) {
              const known = holds.filter((hold) => !queued.has(hold.owner));
              const answers = await backend.release(known, call);
              return holds.map((hold) => known.includes(hold) && (answers[known.indexOf(hold)] ?? false));
            },
          };
    }),
  },
  {
    id: 'keeps-traces',
    breaks: 'everything that was taken and freed is gone from the store',
    caughtBy: ['residue/after-use', 'residue/after-close', 'residue/after-expiry'],
    fair: false,
    breakBackend: each((backend) => ({
      async attempt(requests, call) {
        await backend.attempt(
          requests.map((request) => ({
            name: `trace of ${request.name}`,
            owner: request.owner,
            label: '',
            mode: 'exclusive',
            ttlMs: 3_600_000,
          })),
          call,
        );
        return backend.attempt(requests, call);
      },
    })),
  },
];

/** A queue that asks again and again, in whatever order `isTurn` says. */
function polling(
  isTurn: (line: readonly string[], owner: string) => boolean,
  leavesLine = true,
): () => (backend: LockBackend) => LockBackend {
  return () => {
    const lines = new Map<string, string[]>();
    return (backend) =>
      altered(backend, {
        async wait(request: HoldRequest, call: CallContext): Promise<Granted> {
          const line = lines.get(request.name) ?? [];
          lines.set(request.name, line);
          line.push(request.owner);
          let isServed = false;
          try {
            for (;;) {
              call.signal.throwIfAborted();
              if (isTurn(line, request.owner)) {
                const stamp = { now: call.clock.now(), wall: call.clock.wall() };
                const [answer] = await backend.attempt([request], call);
                if (answer?.granted) {
                  isServed = true;
                  return { ...answer, stamp };
                }
              }
              await new Promise((resolve) => setTimeout(resolve, 10));
            }
          } finally {
            if (isServed || leavesLine) line.splice(line.indexOf(request.owner), 1);
          }
        },
        async inspect(name, kind, call) {
          return { ...(await backend.inspect(name, kind, call)), waiters: lines.get(name)?.length ?? 0 };
        },
      });
  };
}
