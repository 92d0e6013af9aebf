import type { HoldRef } from '@holdfast/core';
import { booked, HoldBook, kindOf } from './hold-book.js';
import { altered, each, type Mutant } from './mutant.js';

/** A stale release or extend never touches the next holder; nothing of a request stays behind. */
export const ownershipMutants: readonly Mutant[] = [
  {
    id: 'release-ignores-owner',
    breaks: 'a release frees only what its owner holds',
    caughtBy: ['exclusive/lock/forced', 'exclusive/pair/forced', 'semaphores/stale-release', 'backend/owner'],
    breakBackend: () => {
      const book = new HoldBook();
      return (backend) =>
        booked(backend, book, (whole) => ({
          release: (holds, call) =>
            whole.release(
              holds.map((hold) => ofPresentHolder(book, hold)),
              call,
            ),
        }));
    },
  },
  {
    id: 'renew-ignores-owner',
    breaks: 'a renewal prolongs only what its owner holds',
    caughtBy: ['exclusive/all/stale-extend', 'backend/owner'],
    breakBackend: () => {
      const book = new HoldBook();
      return (backend) =>
        booked(backend, book, (whole) => ({
          renew: (holds, call) =>
            whole.renew(
              holds.map((hold) => ({ ...ofPresentHolder(book, hold), ttlMs: hold.ttlMs })),
              call,
            ),
        }));
    },
  },
  {
    id: 'adopt-believes',
    breaks: 'a ticket that says something else than the store is refused',
    caughtBy: ['tickets/lock', 'tickets/read-write', 'tickets/permits'],
    breakBackend: each(() => ({ adopt: async () => await Promise.resolve(true) })),
  },
  {
    id: 'release-says-true',
    breaks: 'a release answers false when the hold had gone',
    caughtBy: ['exclusive/lock/forced', 'leases/release-idempotent', 'semaphores/stale-release'],
    breakBackend: each((backend) => ({
      async release(holds, call) {
        await backend.release(holds, call);
        return holds.map(() => true);
      },
    })),
  },
  {
    id: 'release-frees-everybody',
    breaks: 'a release frees one hold',
    caughtBy: ['semaphores/one-of-two', 'read-write/readers-exclude'],
    breakBackend: each((backend) => ({
      release: (holds, call) => Promise.all(holds.map((hold) => backend.forceRelease(hold.name, kindOf(hold.mode), call))),
    })),
  },
  {
    id: 'release-does-nothing',
    breaks: 'a release frees',
    caughtBy: ['exclusive/lock/is-taken-and-freed', 'many/rolls-back', 'close/drain-runs-out', 'residue/after-use'],
    breakBackend: each(() => ({ release: async (holds) => holds.map(() => true) })),
  },
  {
    id: 'owner-is-the-client',
    breaks: 'the owner is one hold, not the client that has it',
    caughtBy: ['exclusive/lock/excludes', 'exclusive/lock/load', 'leases/many-through-one-object'],
    breakBackend: () => (backend) => {
      // As redis-semaphore did: one identifier for everything that goes through one object.
      const owner = crypto.randomUUID().replaceAll('-', '');
      const { wait } = backend;
      return altered(backend, {
        attempt: (requests, call) =>
          backend.attempt(
            requests.map((request) => ({ ...request, owner })),
            call,
          ),
        renew: (holds, call) =>
          backend.renew(
            holds.map((hold) => ({ ...hold, owner })),
            call,
          ),
        release: (holds, call) =>
          backend.release(
            holds.map((hold) => ({ ...hold, owner })),
            call,
          ),
        ...(wait && { wait: (request, call) => wait.call(backend, { ...request, owner }, call) }),
      });
    },
  },
  {
    id: 'not-idempotent',
    breaks: 'the same request twice is the same hold once',
    caughtBy: ['backend/idempotent-exclusive', 'backend/idempotent-permits', 'backend/idempotent-read', 'backend/idempotent-write'],
    breakBackend: each((backend) => {
      let attempts = 0;
      return {
        attempt: (requests, call) =>
          backend.attempt(
            requests.map((request) => ({ ...request, owner: `${request.owner.slice(0, 24)}${String(attempts++).padStart(8, '0')}` })),
            call,
          ),
      };
    }),
  },
  {
    id: 'undo-is-ignored',
    breaks: 'an attempt without an answer leaves no lock behind',
    caughtBy: ['deadline/late-grant', 'deadline/aborted-in-silence', 'deadline/lost-reply', 'unavailable/all-or-nothing'],
    fair: false,
    breakBackend: each((backend) => {
      const answered = new Set<string>();
      return {
        async attempt(requests, call) {
          const { signal } = call;
          const answers = await backend.attempt(requests, call);
          // A client that stopped listening has no answer either.
          if (!signal.aborted) for (const request of requests) answered.add(request.owner);
          return answers;
        },
        release: (holds, call) =>
          backend
            .release(
              holds.filter((hold) => answered.has(hold.owner)),
              call,
            )
            .then((answers) => holds.map((_, i) => answers[i] ?? false)),
      };
    }),
  },
];

function ofPresentHolder(book: HoldBook, hold: HoldRef): HoldRef {
  const present = book.of(hold.name, hold.mode)[0];
  return present === undefined ? hold : { ...hold, mode: present.request.mode, owner: present.request.owner };
}
