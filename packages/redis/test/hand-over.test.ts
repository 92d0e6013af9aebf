import { isLockError, type ReleaseAnswer } from '@holdfast/core';
import { ConnectionFault, Contact } from '@holdfast/core/backend';
import { requestOf } from '@holdfast/test/backend';
import { describe, expect, it } from 'vitest';
import { handOver } from '../src/hand-over.js';
import type { RedisContact, RedisLink } from '../src/link.js';
import { failureRules } from '../src/redis-error.js';

interface Outcomes {
  readonly handed: () => Promise<ReleaseAnswer>;
  readonly freed: () => Promise<ReleaseAnswer>;
}

/** What a hand-over comes to whose two commands end so. */
function run({ handed, freed }: Outcomes, link: { current: RedisContact | null } = { current: open() }) {
  const asked: string[] = [];
  const steps = {
    leftBy: () => ({ member: '', isLast: false }),
    handOver: () => (asked.push('hand over'), handed()),
    freeOne: () => (asked.push('release'), freed()),
  };
  const answer = handOver(steps, link satisfies Pick<RedisLink, 'current'>, requestOf('x'), requestOf('x'), 1_000);
  return { asked, answer };
}

function open(): RedisContact {
  return new Contact({ isOpen: true } as RedisContact['connection']);
}

const failing = (reason: unknown, wasSent: boolean) => (): Promise<never> => Promise.reject(failureRules.failureOf(reason, 'x', wasSent));
const late = failing(new ConnectionFault('late'), true);

describe('a hand-over that the server refuses', () => {
  it('frees by a release, and leaves open what becomes of the next one', async () => {
    const { asked, answer } = run({ handed: late, freed: async () => ({ wasOurs: true, isFinal: true }) });
    expect(await answer).toEqual([{ wasOurs: true, isFinal: true, next: { granted: false, isFinal: false, remainingMs: null } }]);
    expect(asked).toEqual(['hand over', 'release']);
  });

  it('is reported as refused where the release finds nothing: the first command may have freed it', async () => {
    const { answer } = run({ handed: late, freed: async () => ({ wasOurs: false, isFinal: true }) });
    await expect(answer).rejects.toThrow(/late/);
  });

  it('counts as sent though the release behind it was not: the next one may have been granted', async () => {
    const { answer } = run({ handed: late, freed: failing(new ConnectionFault('closed'), false) });
    const error = await answer.catch((thrown: unknown) => thrown);
    expect(isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && error.wasSent).toBe(true);
  });

  it('is left to the caller where the connection has been replaced', async () => {
    const link: { current: RedisContact | null } = { current: open() };
    const handed = (): Promise<never> => ((link.current = open()), late());
    const { asked, answer } = run({ handed, freed: async () => ({ wasOurs: true, isFinal: true }) }, link);
    await expect(answer).rejects.toThrow(/late/);
    expect(asked).toEqual(['hand over']);
  });
});
