import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toJsonValue, withToJSON } from '../src/json.js';

describe('toJsonValue', () => {
  it('turns bigints into decimal strings at any depth', () => {
    expect(toJsonValue({ a: 1n, b: [2n, { c: -3n }], d: 'x', e: null, f: 4 })).toEqual({
      a: '1',
      b: ['2', { c: '-3' }],
      d: 'x',
      e: null,
      f: 4,
    });
  });

  it('lets nested values speak for themselves', () => {
    expect(toJsonValue({ at: new Date(0), own: { toJSON: () => 'own words' } })).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      own: 'own words',
    });
  });

  it('keeps name and message of an error', () => {
    expect(toJsonValue({ error: new RangeError('far') })).toEqual({ error: { name: 'RangeError', message: 'far' } });
  });

  it('cuts cycles, and keeps what merely stands twice', () => {
    const shared = { n: 1n };
    const cyclic: Record<string, unknown> = { a: shared, b: shared };
    cyclic['self'] = cyclic;
    cyclic['list'] = [cyclic];
    expect(JSON.parse(JSON.stringify(toJsonValue(cyclic)))).toEqual({ a: { n: '1' }, b: { n: '1' }, list: [null] });
  });

  it('gives JSON.stringify nothing that it refuses', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withSparseArray: true }),
        (value) => {
          JSON.stringify(toJsonValue(value));
        },
      ),
    );
  });

  it('changes nothing that JSON can write already', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.stringify(toJsonValue(value))).toBe(JSON.stringify(value));
      }),
    );
  });
});

describe('withToJSON', () => {
  it('adds no visible field', () => {
    const state = withToJSON({ name: 'x', fencingToken: 5n });
    expect(Object.keys(state)).toEqual(['name', 'fencingToken']);
    expect(state).toEqual({ name: 'x', fencingToken: 5n });
    expect(JSON.stringify(state)).toBe('{"name":"x","fencingToken":"5"}');
  });
});
