import { checkName, isLockError, MAX_NAME_BYTES } from '@holdfast/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

function refusal(name: unknown, option?: string): unknown {
  try {
    checkName('acquire', name, option);
    return null;
  } catch (error) {
    return error;
  }
}

describe('checkName', () => {
  it.each(['a', ' ', '\0', 'a{b}c', '../x', '%2F', '__proto__', 'naïve', '🔒', 'x'.repeat(512), '🔒'.repeat(128), '\u0301'])(
    'takes %j',
    (name) => {
      expect(refusal(name)).toBeNull();
    },
  );

  it.each([
    ['empty', ''],
    ['513 bytes', 'x'.repeat(513)],
    ['513 bytes of three-byte characters', '€'.repeat(171)],
    ['129 emoji', '🔒'.repeat(129)],
    ['a lone high surrogate', 'a\ud83d'],
    ['a lone low surrogate', '\ude00b'],
    ['surrogates in the wrong order', '\ude00\ud83d'],
    ['a long name with a lone surrogate', `${'x'.repeat(400)}\ud800`],
    ['null', null],
    ['undefined', undefined],
    ['a number', 7],
    ['an array', ['x']],
    ['an object', { toString: () => 'x' }],
    ['a String object', Object('x')],
  ])('refuses %s', (_what, name) => {
    expect(refusal(name)).toSatisfy((error) => isLockError(error, 'LOCK_INVALID_ARGUMENT') && error.option === 'name');
  });

  it('names the argument that it was asked to name', () => {
    expect(refusal('', 'names[3]')).toMatchObject({ option: 'names[3]', message: 'acquire: names[3] is empty; it must be 1 to 512 bytes' });
  });

  it('takes exactly the well-formed strings of 1 to 512 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600, size: 'max' }), (name) => {
        const bytes = new TextEncoder().encode(name).length;
        expect(refusal(name) === null).toBe(name.isWellFormed() && bytes >= 1 && bytes <= MAX_NAME_BYTES);
      }),
      { numRuns: 500 },
    );
  });

  it('takes no string that an encoder would change', () => {
    const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(units, (codes) => {
        const name = String.fromCharCode(...codes);
        if (refusal(name) === null) expect(new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(name))).toBe(name);
      }),
      { numRuns: 1_000 },
    );
  });
});
