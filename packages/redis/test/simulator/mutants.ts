import { commonMutants, type Mutant } from '@holdfast/test/simulator';
import { realRules, type ScriptRules } from './redis-model.js';

/** A mutant of the scripts, or of what is built upon them. */
export interface RedisMutant extends Mutant {
  readonly scripts?: ScriptRules;
}

/** What a product over Redis must not do. */
export const redisMutants: readonly RedisMutant[] = [
  ...commonMutants,
  {
    id: 'readers-beside-writer',
    breaks: 'a reader waits for the writer',
    rule: 'I1',
    scripts: { ...realRules, looksAtWriter: false },
  },
  {
    id: 'renewal-shortens',
    breaks: 'a renewal never shortens what is kept',
    rule: 'I2',
    scripts: { ...realRules, neverShortens: false },
  },
  {
    id: 'fence-by-time-alone',
    breaks: 'tokens rise also when the clock was set back',
    rule: 'I3',
    scripts: { ...realRules, remembersFence: false },
  },
  {
    id: 'requests-never-expire',
    breaks: 'the server refuses a request that comes late',
    rule: 'I5',
    scripts: { ...realRules, checksDeadline: 'none' },
  },
  {
    id: 'renewals-never-expire',
    breaks: 'the hold of a dead owner is not prolonged by a renewal that comes late',
    rule: 'I5',
    scripts: { ...realRules, checksDeadline: 'grants' },
  },
  {
    id: 'final-at-once',
    breaks: 'a release is final only when nothing of its owner can take effect any more',
    rule: 'I5',
    backend: (backend) => ({
      release: async (holds, call) =>
        (await backend.release(holds, call)).map((answer) => (typeof answer === 'object' ? { ...answer, isFinal: true } : answer)),
    }),
  },
  {
    id: 'owner-not-checked',
    breaks: 'a release frees the hold of its own owner',
    rule: 'I8',
    scripts: { ...realRules, checksOwner: false },
  },
  {
    id: 'provisional-too-short',
    breaks: 'what the head of the queue was granted lasts for as long as the head believes',
    rule: 'I2',
    scripts: { ...realRules, keepsProvisional: false },
  },
  {
    id: 'counts-from-the-message',
    breaks: 'what the head of the queue was granted counts from the sign of life that the message names',
    rule: 'I2',
    backend: (backend) => ({
      async wait(request, call) {
        if (backend.wait === undefined) throw new Error('the backend has no queue');
        const granted = await backend.wait(request, call);
        return granted.forMs === undefined ? granted : { ...granted, stamp: { now: call.clock.now(), wall: call.clock.wall() } };
      },
    }),
  },
  {
    id: 'handed-on-with-the-same-token',
    breaks: 'what goes to the next task of the same manager has a token of its own',
    rule: 'I3',
    scripts: { ...realRules, drawsFenceAnew: false },
  },
  {
    id: 'nobody-is-told',
    breaks: 'a waiter is served when the name is free',
    rule: 'I9',
    scripts: { ...realRules, handsOn: false },
  },
];
