import { describe, expect, it } from 'vitest';
import { displayWidth, fitTo, padTo } from '../src/cli/display-width.js';

describe('the width of a text', () => {
  it.each([
    ['', 0],
    ['orders', 6],
    ['日本語', 6],
    ['ｆｕｌｌ', 8],
    ['한국', 4],
    ['\u1112\u1161\u11ab', 2],
    ['e\u0301a\u0308', 2],
    ['🔒x', 3],
    ['→–…', 3],
    ['𠀋', 2],
  ])('of %j is %i columns', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  it('decides what fits, and never half of a wide character', () => {
    expect(fitTo('日本語', 6)).toBe('日本語');
    expect(fitTo('日本語', 5)).toBe('日本…');
    expect(fitTo('日本語', 4)).toBe('日…');
    expect(fitTo('日本語', 1)).toBe('…');
    expect(fitTo('日本語', 0)).toBe('');
    for (const width of [0, 1, 2, 3, 4, 5]) expect(displayWidth(fitTo('日a本b', width))).toBeLessThanOrEqual(width);
  });

  it('decides how many spaces make a column', () => {
    expect(padTo('日本', 6)).toBe('日本  ');
    expect(padTo('日本', 6, 'right')).toBe('  日本');
    expect(padTo('toolong', 3)).toBe('toolong');
  });
});
