import type { LockBackend } from '@holdfast/core';
import { handing } from '../handing-backend.js';
import type { Mutant } from './mutant.js';

/** Who hands on to its own next waiter hands on what it holds, and says so. */
export const handingMutants: readonly Mutant[] = [
  {
    id: 'hands-on-what-is-not-held',
    breaks: 'a release hands on only what was its own owner’s',
    caughtBy: ['backend/next'],
    breakBackend: () => (backend: LockBackend) => handing(backend, { grantsNext: () => true }),
  },
  {
    id: 'hands-on-beside-others',
    breaks: 'a release hands on only where the next one fits beside those who stay',
    caughtBy: ['backend/next-beside-read', 'backend/next-beside-permits'],
    breakBackend: () => (backend: LockBackend) => handing(backend, { answerOf: () => ({ granted: true, fencingToken: 1n }) }),
  },
  {
    id: 'hands-on-in-silence',
    breaks: 'a release tells of the next one that it has granted',
    caughtBy: ['backend/next'],
    breakBackend: () => (backend: LockBackend) => handing(backend, { answerOf: () => undefined }),
  },
  {
    id: 'hands-on-to-nobody',
    breaks: 'a release that says that the next one was granted has granted it',
    caughtBy: ['backend/next'],
    breakBackend: () => (backend: LockBackend) =>
      handing(backend, { grantsNext: () => false, answerOf: () => ({ granted: true, fencingToken: 1n }) }),
  },
];
