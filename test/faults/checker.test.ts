import { Random } from '@holdfast/test/simulation';
import { describe, expect, test } from 'vitest';
import type { HoldMode } from './history.js';
import { linearize } from './linearize.js';
import { type HoldOp, mutexModel, readWriteModel, semaphoreModel } from './lock-models.js';
import type { Model, Operation } from './model.js';
import { registerModel } from './register-model.js';
import { hasOrder, randomHolds, randomUpdates, soundHolds } from './seeded-histories.js';

const LIMIT = 3;
const kinds = [
  { title: 'a mutex', model: mutexModel, modes: ['exclusive'] },
  { title: 'a semaphore', model: semaphoreModel(LIMIT), modes: ['permits'] },
  { title: 'a read/write lock', model: readWriteModel, modes: ['read', 'write'] },
] as const satisfies readonly { title: string; model: typeof mutexModel; modes: readonly HoldMode[] }[];

/** The checker and the trial of every order must agree on all of these; how many of them are possible. */
function agreed<S, O>(model: Model<S, O>, make: (random: Random) => Operation<O>[]): { possible: number; impossible: number } {
  const count = { possible: 0, impossible: 0 };
  for (let seed = 1; seed <= 800; seed += 1) {
    const operations = make(new Random(seed));
    const expected = hasOrder(model, operations);
    expect(linearize(model, operations).isLinearizable, `seed ${seed}: ${JSON.stringify(operations, textOfBigint)}`).toBe(expected);
    count[expected ? 'possible' : 'impossible'] += 1;
  }
  return count;
}

function textOfBigint(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}

function isAcquire(operation: Operation<HoldOp>): operation is Operation<Extract<HoldOp, { do: 'acquire' }>> {
  return operation.op.do === 'acquire';
}

describe.each(kinds)('histories of $title', ({ model, modes }) => {
  test('are accepted and refused as the trial of every order does', () => {
    const { possible, impossible } = agreed(model, (random) => randomHolds(random, modes));
    expect(possible).toBeGreaterThan(50);
    expect(impossible).toBeGreaterThan(50);
  });

  test.each([1, 2, 3])('are accepted when the store was sound, and refused with one fault in them: seed %i', (seed) => {
    const random = new Random(seed);
    const sound = soundHolds(random, 400, modes, LIMIT);
    expect(linearize(model, sound)).toEqual({ isLinearizable: true });

    // A grant that takes effect while a hold stands that excludes it, and is over before that one's.
    const stands = random.pick(sound.filter(({ op }) => op.do === 'acquire' && op.mode !== 'read').slice(20, 300));
    const over = sound.find(({ op }) => op.do === 'end' && op.hold === stands.op.hold);
    const middle = Math.max(stands.end, over?.call ?? 0) + 1;
    const longer = sound.map((each) => (each === over ? { ...each, call: middle + 10, end: middle + 40 } : each));
    const intruder: Operation<HoldOp> = {
      op: { do: 'acquire', hold: 'intruder', mode: modes[0], permits: LIMIT, token: modes[0] === 'permits' ? null : 10_000n },
      process: 'intruder',
      call: middle + 1,
      end: middle + 2,
    };
    expect(linearize(model, [...longer, intruder])).toMatchObject({ isLinearizable: false });

    const acquires = sound.filter(isAcquire);
    const spoiled = random.pick(acquires.filter(({ op }) => op.mode !== 'read').slice(20));
    // More permits than there are, or the token of a grant that was long over.
    const op: HoldOp = { ...spoiled.op, permits: LIMIT + 1, token: spoiled.op.token === null ? null : (acquires[0]?.op.token ?? 0n) };
    expect(
      linearize(
        model,
        sound.map((each) => (each === spoiled ? { ...each, op } : each)),
      ),
    ).toMatchObject({ isLinearizable: false });
  });
});

describe('histories of a register', () => {
  test('are accepted and refused as the trial of every order does', () => {
    const { possible, impossible } = agreed(registerModel, randomUpdates);
    expect(possible).toBeGreaterThan(50);
    expect(impossible).toBeGreaterThan(50);
  });

  test('with a lost update are refused, and one whose answer nobody has may have taken effect or not', () => {
    const update = (from: number, call: number, end: number) => ({
      op: { do: 'update', from, to: from + 1 } as const,
      process: 'p',
      call,
      end,
    });
    expect(linearize(registerModel, [update(0, 0, 5), update(0, 2, 8)])).toMatchObject({ isLinearizable: false });
    expect(linearize(registerModel, [update(0, 0, Infinity), update(0, 2, 8)])).toEqual({ isLinearizable: true });
    expect(linearize(registerModel, [update(0, 0, Infinity), update(1, 2, 8)])).toEqual({ isLinearizable: true });
  });
});
