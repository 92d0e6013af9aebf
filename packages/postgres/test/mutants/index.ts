import type { AlterText } from './altered-pool.js';

/** A way in which the backend is broken on purpose, and the cases that must notice it. */
export interface SqlMutant {
  readonly id: string;
  /** The rule that it breaks, in the words of the contract. */
  readonly breaks: string;
  readonly strategy: 'advisory' | 'table';
  readonly caughtBy: readonly [string, ...string[]];
  /** What begins or holds it is changed: a mutant that changes nothing would live by mistake. */
  readonly alter: AlterText;
}

export const sqlMutants: readonly SqlMutant[] = [
  {
    id: 'session-never-ended',
    breaks: 'a session that was given up is ended on the server, with whatever its last requests have taken there',
    strategy: 'advisory',
    caughtBy: ['backend/late-exclusive'],
    alter: (text) =>
      text.includes('pg_stat_activity') ? text.replaceAll('pg_catalog.pg_terminate_backend(pid)', '(pid OPERATOR(pg_catalog.>) 0)') : text,
  },
  {
    id: 'list-shows-expired-rows',
    breaks: 'what has expired shows neither in inspect nor in list, though its row still stands',
    strategy: 'table',
    caughtBy: ['backend/expired-exclusive'],
    alter: (text) =>
      text.includes(' ORDER BY name LIMIT ')
        ? text.replaceAll('AND expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()', '')
        : text,
  },
];
