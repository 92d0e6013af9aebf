import { LockUnavailableError } from '@holdfast/core';
import { allOrWorst } from '@holdfast/core/backend';
import { describe, expect, it } from 'vitest';

const unavailable = (message: string, retryable: boolean): LockUnavailableError =>
  new LockUnavailableError(message, { backend: 'test', lockName: null, retryable });
const passing = unavailable('the store is away', true);
const permanent = unavailable('the store refuses', false);
const later = unavailable('the store refuses that too', false);

describe('allOrWorst', () => {
  it.each([0, 1, 3])('resolves with the results in the order of %i promises', async (count) => {
    const values = ['a', 'b', 'c'].slice(0, count);
    const slowestFirst = values.map(async (value, index) => {
      for (let turn = 0; turn < 5 - index; turn += 1) await Promise.resolve();
      return value;
    });
    expect(await allOrWorst(slowestFirst)).toEqual(values);
  });

  it('rejects with the first failure that waiting cannot repair, or else with the first', async () => {
    const failed = (...errors: Error[]): Promise<unknown> => allOrWorst(errors.map((error) => Promise.reject(error)));
    await expect(failed(passing, permanent, later)).rejects.toBe(permanent);
    await expect(failed(passing, unavailable('later', true))).rejects.toBe(passing);
    await expect(failed(permanent)).rejects.toBe(permanent);
  });

  it('says that nothing was sent only where that holds for all', async () => {
    const unsent = new LockUnavailableError('no connection', { backend: 'test', lockName: 'x', retryable: false, wasSent: false });
    const failureOf = (...promises: Promise<unknown>[]): Promise<unknown> => allOrWorst(promises).then(null, (error: unknown) => error);
    expect(await failureOf(Promise.reject(unsent))).toBe(unsent);
    expect(await failureOf(Promise.reject(unsent), Promise.reject(unsent))).toBe(unsent);
    const asSent = { message: 'no connection', backend: 'test', lockName: 'x', retryable: false, wasSent: true };
    expect(await failureOf(Promise.reject(unsent), Promise.resolve('granted'))).toMatchObject(asSent);
    expect(await failureOf(Promise.reject(unsent), Promise.reject(passing))).toMatchObject(asSent);
  });

  it.each([1, 2])('compares what the failures of %i promises are turned into', async (count) => {
    const reasons = ['first', 'second'].slice(0, count);
    const turned = allOrWorst(
      reasons.map((reason) => Promise.reject(new Error(reason))),
      (error) => unavailable(`turned: ${(error as Error).message}`, (error as Error).message === 'first'),
    );
    await expect(turned).rejects.toMatchObject({ message: `turned: ${reasons.at(-1)}` });
  });

  it('waits for every answer, also behind a failure', async () => {
    let answer!: () => void;
    const slow = new Promise<void>((resolve) => {
      answer = resolve;
    });
    let hasRejected = false;
    const all = allOrWorst([Promise.reject(passing), slow]).catch(() => {
      hasRejected = true;
    });
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    expect(hasRejected).toBe(false);
    answer();
    await all;
    expect(hasRejected).toBe(true);
  });
});
