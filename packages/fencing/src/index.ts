export { StaleTokenError } from '@holdfast/core';
export { fenceColumn, type FenceColumn, type FenceColumnOptions } from './fence-column.js';
export { fenceTable, type FenceTable, type FenceTableOptions, type ResetOptions } from './fence-table.js';
export type { FencedLease } from './fenced-lease.js';
export type { SqlDialectName } from './sql-dialect.js';
export type { SqlTransaction } from './sql-transaction.js';
export { type FencedRedis, writeFenced, type WriteFencedOptions } from './write-fenced.js';
