import { expect, it } from 'vitest';
import { checkTerminus, terminusVersion } from '../src/check-terminus.js';

it('refuses a terminus that would report a store that is down as healthy', () => {
  for (const old of ['10.3.0', '9.2.2', '10.0.0-beta.1']) {
    expect(() => checkTerminus(old)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option: '@nestjs/terminus' }));
  }
  for (const fine of ['11.0.0', '12.1.0', terminusVersion(), null]) checkTerminus(fine);
});

it('finds the version that is installed', () => {
  expect(terminusVersion()).toMatch(/^\d+\./);
});
