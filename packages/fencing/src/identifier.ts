import type { OptionRule } from '@holdfast/core';

/** A name in a database, which is quoted where it stands. PostgreSQL cuts longer ones off, and MySQL refuses them. */
export const identifierRule: OptionRule = (value) =>
  typeof value === 'string' && value.length > 0 && !value.includes('\0') && new TextEncoder().encode(value).length <= 63
    ? null
    : 'must be a name of 1 to 63 bytes';
