import type { HoldRef, HoldRequest, LockBackend } from '@holdfast/core';
import { commonMutants } from '../common-mutants.js';
import type { Mutant } from '../mutant.js';
import { kindOfMode } from '../scenario.js';
import { type ExpiryRules, realExpiry } from './request-expiry.js';

/** A mutant of the memory store, or of what is built upon it. */
export interface MemoryMutant extends Mutant {
  /** The store itself. */
  readonly server?: (backend: LockBackend<bigint>) => Partial<LockBackend<bigint>>;
  readonly expiry?: ExpiryRules;
}

/** More than any token of a simulation. */
const HIGHEST = 10n ** 15n;

function shorter<T extends { readonly ttlMs: number }>(request: T, by: (ttlMs: number) => number): T {
  return { ...request, ttlMs: Math.max(1, by(request.ttlMs)) };
}

/** What a product over the memory store must not do. */
export const memoryMutants: readonly MemoryMutant[] = [
  ...commonMutants,
  {
    id: 'writers-beside-readers',
    breaks: 'a writer is alone',
    rule: 'I1',
    server: (backend) => ({
      attempt: (requests, call) =>
        backend.attempt(
          requests.map((request): HoldRequest => (request.mode === 'write' ? { ...request, mode: 'read' } : request)),
          call,
        ),
    }),
  },
  {
    id: 'no-guard',
    breaks: 'the store keeps a hold for longer than its holder believes in it',
    rule: 'I2',
    server: (backend) => {
      const withoutGuard = (ttlMs: number): number => ttlMs - Math.min(Math.max(ttlMs / 11, 100), 1_000);
      return {
        attempt: (requests, call) =>
          backend.attempt(
            requests.map((request) => shorter(request, withoutGuard)),
            call,
          ),
        renew: (holds, call) =>
          backend.renew(
            holds.map((hold) => shorter(hold, withoutGuard)),
            call,
          ),
      };
    },
  },
  {
    id: 'tokens-fall',
    breaks: 'fencing tokens rise',
    rule: 'I3',
    server: (backend) => ({
      attempt: async (requests, call) =>
        (await backend.attempt(requests, call)).map((answer) =>
          answer.granted ? { ...answer, fencingToken: HIGHEST - answer.fencingToken } : answer,
        ),
      inspect: async (name, kind, call) => {
        const state = await backend.inspect(name, kind, call);
        return {
          ...state,
          holders: state.holders.map((holder) =>
            holder.fencingToken === null ? holder : { ...holder, fencingToken: HIGHEST - holder.fencingToken },
          ),
        };
      },
    }),
  },
  {
    id: 'release-of-any-owner',
    breaks: 'a release frees the hold of its own owner',
    rule: 'I8',
    server: (backend) => ({
      release: (holds: readonly HoldRef[], call) =>
        Promise.all(holds.map(({ name, mode }) => backend.forceRelease(name, kindOfMode(mode), call))),
    }),
  },
  {
    id: 'no-place-in-line',
    breaks: 'a waiter is served when the name is free',
    rule: 'I9',
    server: (backend) => ({
      wait: async (request, call) => {
        const [answer] = await backend.attempt([request], call);
        return answer?.granted === true ? answer : new Promise<never>(() => {});
      },
    }),
  },
  // What PROTOCOL names A1 to A8 is what these leave out: see docs/simulator.md.
  {
    id: 'requests-never-expire',
    breaks: 'the store refuses a request that comes late',
    rule: 'I5',
    expiry: { ...realExpiry, isChecked: false },
  },
  {
    id: 'final-at-once',
    breaks: 'a release is final only when nothing of its owner can take effect any more',
    rule: 'I5',
    expiry: { ...realExpiry, isFinal: () => true },
  },
  {
    id: 'final-without-margin',
    breaks: 'a doubt bears a clock that is set back',
    rule: 'I5',
    expiry: { ...realExpiry, isFinal: ({ serverMs, notAfter, wereAnswered }) => wereAnswered || serverMs > notAfter },
  },
  {
    id: 'first-moment-only',
    breaks: 'a doubt lasts until the latest moment of its owner',
    rule: 'I5',
    expiry: { ...realExpiry, keeps: 'first' },
  },
  {
    id: 'answer-is-proof',
    breaks: 'an answer proves nothing where a request may arrive twice',
    rule: 'I5',
    expiry: { ...realExpiry, trustsAnswers: true },
  },
  {
    id: 'renewals-never-expire',
    breaks: 'the hold of a dead owner is not prolonged by a renewal that comes late',
    rule: 'I5',
    expiry: { ...realExpiry, renewalsExpire: false },
  },
];
