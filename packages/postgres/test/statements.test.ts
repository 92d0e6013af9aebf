import { describe, expect, it } from 'vitest';
import * as statements from '../src/advisory/statements.js';
import type { Statement } from '../src/connection.js';

/** What looks like a call and is a word of the language. */
const WORDS =
  'select|from|where|and|or|not|as|in|case|when|then|else|exists|values|coalesce|greatest|least|extract|any|array|lateral|with|materialized|recursive|union|all|by|order|limit|offset|over|filter|operator|ordinality|request|try|was|w';

/** What of a statement would be looked for along the search path. */
function unqualified(sql: string): readonly string[] {
  const text = sql
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/'(?:[^']|'')*'/g, "''")
    .replaceAll(/OPERATOR\(pg_catalog\.[^)]+\)/g, ' , ')
    .replaceAll('count(*)', 'count()');
  const calls = [...text.matchAll(/(?<![.\w"])([a-z_]\w*)\s*\(/gi)].map(([, name = '']) => name);
  return [
    ...calls.filter((name) => !new RegExp(`^(?:${WORDS}|rows from|from)$`, 'i').test(name)),
    ...(text.match(/(?<!:):(?!:)|::(?!pg_catalog\.)\w+/g) ?? []),
    ...(text.match(/[=<>+*/|~!@#%^&?]+|(?<![\w(,]\s?)-\s?(?!\d)/g) ?? []),
    ...(text.match(/\b(?:IN|BETWEEN|LIKE|ILIKE|SIMILAR|USING|NULLIF|DISTINCT FROM)\b/g) ?? []),
    ...(text.match(/\bCASE\s+(?!WHEN)\w+/g) ?? []),
    ...[...text.matchAll(/\b(?:FROM|JOIN)\s+(pg_\w+)/gi)].map(([, name = '']) => name).filter((name) => name !== 'pg_catalog'),
  ];
}

const all: readonly (readonly [name: string, statement: Statement])[] = [
  ...Object.entries(statements).flatMap(([name, value]) =>
    typeof value === 'object' && 'text' in value ? ([[name, value]] as const) : [],
  ),
  ['takeLocks', statements.takeLocks('"holdfast".fence')],
  ['onlyInProcess', statements.onlyInProcess(1, 'LISTEN x')],
];

describe('a statement of sessions', () => {
  it.each(all)('%s names the schema of every function, operator, type and relation', (_, { text }) => {
    expect(unqualified(text)).toEqual([]);
  });

  it.each([
    'SELECT now()',
    "SELECT 'a' = 'b'",
    'SELECT pg_catalog.now()::text',
    'SELECT 1 FROM pg_locks',
    'SELECT CASE a WHEN 1 THEN 2 END',
    'SELECT 1 WHERE a IN (1)',
    'SELECT a FROM x JOIN y USING (a)',
    'SELECT a || b',
  ])('would not be %s', (text) => {
    expect(unqualified(text)).not.toEqual([]);
  });
});
