import { commonMutants, type Mutant } from '@holdfast/test/simulator';
import { realRules, type StatementRules } from './table-model.js';

/** A mutant of the statements, or of what is built upon them. */
export interface TableMutant extends Mutant {
  readonly statements?: StatementRules;
}

/** What a product over leases in a table must not do. */
export const tableMutants: readonly TableMutant[] = [
  ...commonMutants,
  {
    id: 'writer-beside-readers',
    breaks: 'a writer waits for the readers',
    rule: 'I1',
    statements: { ...realRules, looksAtReaders: false },
  },
  {
    id: 'renewal-shortens',
    breaks: 'a renewal never shortens what is kept',
    rule: 'I2',
    statements: { ...realRules, neverShortens: false },
  },
  {
    id: 'fence-of-the-row',
    breaks: 'each grant draws a fence of its own',
    rule: 'I3',
    statements: { ...realRules, drawsFences: false },
  },
  {
    id: 'requests-never-expire',
    breaks: 'the server refuses a request that comes late',
    rule: 'I5',
    statements: { ...realRules, checksMoment: 'none' },
  },
  {
    id: 'renewals-never-expire',
    breaks: 'the hold of a dead owner is not prolonged by a renewal that comes late',
    rule: 'I5',
    statements: { ...realRules, checksMoment: 'grants' },
  },
  {
    id: 'owner-not-checked',
    breaks: 'a release frees the hold of its own owner',
    rule: 'I8',
    statements: { ...realRules, checksOwner: false },
  },
  {
    id: 'writer-waits-for-ever',
    breaks: 'a writer that has gone does not keep readers out',
    rule: 'I9',
    statements: { ...realRules, forgetsWriters: false },
  },
];
