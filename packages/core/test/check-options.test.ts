import { checkValue, isLockError, MAX_DURATION_MS, type OptionRule, pickOptions, readOptions, rule } from '@holdfast/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const rules = {
  ttlMs: rule.duration({ min: 1 }),
  waitMs: rule.duration({ infinity: true }),
  label: rule.string,
  url: rule.secret(rule.string),
};

function refusal(options: unknown): { readonly option: string; readonly message: string } | null {
  try {
    readOptions('acquire', options as object | undefined, rules);
    return null;
  } catch (error) {
    if (isLockError(error, 'LOCK_INVALID_ARGUMENT')) return error;
    throw error;
  }
}

describe('readOptions', () => {
  it('answers a plain copy of what was given, and nothing else', () => {
    const given = Object.create({ ttlMs: 5 }, { label: { value: 'a' }, waitMs: { value: undefined } }) as object;
    const read = readOptions('acquire', given, rules);
    expect(read).toEqual({ ttlMs: 5, label: 'a' });
    expect(Object.keys(read).sort()).toEqual(['label', 'ttlMs']);
    expect(readOptions('acquire', undefined, rules)).toEqual({});
  });

  it('reads each known option once, and no other', () => {
    const reads: (string | symbol)[] = [];
    const given = new Proxy({ ttlMs: 5 }, { get: (target, key) => (reads.push(key), Reflect.get(target, key)) as unknown });
    readOptions('acquire', given, rules);
    expect(reads).toEqual(Object.keys(rules));
  });

  it('refuses an unknown option that is inherited openly, and lets be what a class has, or every object', () => {
    class Options {
      readonly ttlMs = 5;
      describe(): string {
        return `${this.ttlMs} ms`;
      }
    }
    expect(refusal(new Options())).toBeNull();
    expect(refusal(Object.create({ ttl: 5 }))).toMatchObject({ option: 'ttl' });
    Object.defineProperty(Object.prototype, 'polluted', { value: 5, enumerable: true, configurable: true, writable: true });
    try {
      expect(refusal({ ttlMs: 5 })).toBeNull();
      expect(refusal({ polluted: 5 })).toMatchObject({ option: 'polluted' });
    } finally {
      Reflect.deleteProperty(Object.prototype, 'polluted');
    }
  });

  it('misses what is required', () => {
    expect(() => readOptions('acquire', undefined, rules, ['ttlMs' as never])).toThrow('ttlMs is undefined');
    expect(() => readOptions('acquire', { ttlMs: undefined }, rules, ['ttlMs'])).toThrow('ttlMs is undefined');
  });

  it('is parted by pickOptions', () => {
    expect(pickOptions({ ttlMs: 5, label: 'a' }, { ttlMs: rules.ttlMs })).toEqual({ ttlMs: 5 });
  });

  it.each([
    undefined,
    {},
    { ttlMs: 1 },
    { ttlMs: undefined, label: undefined },
    { waitMs: Number.POSITIVE_INFINITY },
    { waitMs: 0 },
    { label: '' },
  ])('takes %j', (options) => {
    expect(refusal(options)).toBeNull();
  });

  it.each([
    ['ttlMs', { ttlMs: 0 }],
    ['ttlMs', { ttlMs: 1.5 }],
    ['ttlMs', { ttlMs: '1000' }],
    ['ttlMs', { ttlMs: null }],
    ['ttlMs', { ttlMs: Number.NaN }],
    ['ttlMs', { ttlMs: Number.POSITIVE_INFINITY }],
    ['ttlMs', { ttlMs: MAX_DURATION_MS + 1 }],
    ['ttlMs', { ttlMs: 5n }],
    ['waitMs', { waitMs: -1 }],
    ['label', { label: 5 }],
    ['options', null],
    ['options', []],
    ['options', 'ttlMs'],
    ['options', 5],
  ])('refuses a wrong %s (case %#)', (option, options) => {
    expect(refusal(options)).toMatchObject({ option });
  });

  it('says the option, the value and the rule', () => {
    expect(refusal({ ttlMs: -5 })?.message).toBe(
      `acquire: ttlMs is -5; it must be an integer number of milliseconds from 1 to ${MAX_DURATION_MS}`,
    );
  });

  it.each(['ttl', 'TTLMS', 'ttlms', 'ttlMS'])('asks of %s whether ttlMs was meant', (key) => {
    expect(refusal({ [key]: 1 })).toMatchObject({ option: key, message: `acquire: unknown option "${key}"; did you mean ttlMs?` });
  });

  it.each([
    ['wiatMs', 'waitMs'],
    ['labl', 'label'],
    ['lable', 'label'],
    ['labels', 'label'],
    ['babel', 'label'],
  ])('takes %s for a slip of the hand', (key, meant) => {
    expect(refusal({ [key]: 1 })?.message).toContain(`did you mean ${meant}?`);
  });

  it('lists what is known when nothing is near', () => {
    expect(refusal({ colour: 'red' })?.message).toContain('known options are ttlMs, waitMs, label, url');
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('does not take %s for a known option', (key) => {
    expect(refusal(JSON.parse(`{"${key}": 1}`))).toMatchObject({ option: key });
  });

  it('never shows a secret, correct or wrong', () => {
    expect(refusal({ url: ['redis://:hunter2@host'] })?.message).not.toContain('hunter2');
    const lengthRule: OptionRule = rule.secret((value) => (value === 'hunter2' ? 'must be longer' : null));
    expect(() => checkValue('connect', 'password', 'hunter2', lengthRule)).toThrow(/^connect: password is given; it must be longer$/);
  });

  it('refuses any value with a message of bounded length, and never with another error', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withMap: true, withDate: true, withNullPrototype: true }), (value) => {
        const error = refusal({ ttlMs: value });
        if (error !== null) expect(error.message.length).toBeLessThan(300);
        else expect(value === undefined || (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_DURATION_MS)).toBe(true);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 300 }), (key) => {
        fc.pre(!Object.hasOwn(rules, key));
        expect(refusal({ [key]: 1 })?.option).toBe(key);
      }),
    );
  });
});

describe('the rules', () => {
  it.each([
    ['integer', rule.integer(2, 4), [2, 3, 4], [1, 5, 2.5, '3', null]],
    ['boolean', rule.boolean, [true, false], [0, 'true', null]],
    ['string', rule.string, ['', 'x'], [1, null, ['x']]],
    ['text', rule.text(6), ['', 'abcdef', '€€'], ['abcdefg', '€€x', 5, null]],
    ['function', rule.function, [() => 1], [{}, 'f']],
    ['object', rule.object, [{}, [], () => 1], [null, 1, 'x']],
    ['array', rule.array, [[], [1]], [{ length: 0 }, 'x']],
    ['oneOf', rule.oneOf('a', 2, false), ['a', 2, false], ['b', '2', null]],
    [
      'signal',
      rule.signal,
      [new AbortController().signal],
      [null, {}, new AbortController(), 'abort', { aborted: false, addEventListener() {}, removeEventListener() {} }],
    ],
    ['duration', rule.duration(), [0, MAX_DURATION_MS], [-1, Number.POSITIVE_INFINITY]],
  ] as const)('%s', (_name, check, right, wrong) => {
    for (const value of right) expect(check(value)).toBeNull();
    for (const value of wrong) expect(check(value)).toMatch(/^must be /);
  });
});
