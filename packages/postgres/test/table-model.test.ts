import { randomBytes } from 'node:crypto';
import type { HoldRef } from '@holdfast/core';
import { postgresSchemaSql } from '@holdfast/postgres';
import { Random } from '@holdfast/test/simulation';
import { describe, expect, it, vi } from 'vitest';
import type { Row } from '../src/connection.js';
import { LockRows } from '../src/table/lock-rows.js';
import type { Query, Rows, TableRequest, TimedQuery } from '../src/table/rows.js';
import { SharedRows } from '../src/table/shared-rows.js';
import { WaiterRows } from '../src/table/waiter-rows.js';
import { usePostgres } from './postgres-harness.js';
import { TableModel } from './simulator/table-model.js';

const LONG_MS = 500_000;
/** Runs out within the test, at moments that the test waits for. */
const SHORT_MS = 300;
const STEPS = 250;
const LIMIT = 3;
const WINDOW_MS = 60_000;

const postgres = usePostgres();

describe('the model of the statements', () => {
  it.each([1, 2, 3])('answers as a server does, statement for statement (%i)', { timeout: 60_000 }, async (seed) => {
    const random = new Random(seed);
    const schema = `model_${seed}`;
    await postgres.admin.query(postgresSchemaSql({ schema }));
    const model = new TableModel(() => performance.timeOrigin + performance.now());
    const log: string[] = [];
    const query: Query = async (text, values) => {
      const { rows: theirs } = await postgres.admin.query<(string | null)[]>({
        text,
        values: [...values],
        rowMode: 'array',
        types: AS_TEXT,
      });
      const { what, rows: ours } = model.run(text, values);
      log.push(`${what} ${values.join(' ')}: ${JSON.stringify(theirs)}`);
      const same = JSON.stringify(theirs.map(roughly)) === JSON.stringify(ours.map(roughly));
      if (!same) throw new Error(`the model says ${JSON.stringify(ours)}\n${log.slice(-10).join('\n')}`);
      return theirs;
    };
    const timed: TimedQuery = async (text, values) => {
      // In time, too late, or by another server's clock.
      const notAfter = Date.now() + random.pick([5_000, 5_000, 5_000, 5_000, -1_000, 3_600_000]);
      return { rows: await query(text, [...values, String(notAfter), String(WINDOW_MS)]), isLate: () => false };
    };
    const waiters = new WaiterRows(schema, 'n', 'of a manager');
    // Nothing was said of any line: there is nothing to confirm, and nothing is made of it.
    const sign = { taken: vi.fn<() => void>() };
    const locks = new LockRows(schema, 'n', waiters);
    const shared = {
      semaphore: new SharedRows('semaphore', schema, 'n', waiters),
      'read-write': new SharedRows('read-write', schema, 'n', waiters),
    };
    const owners = Array.from({ length: 4 }, () => randomBytes(16).toString('hex'));
    let expiresAt = 0;
    for (let step = 0; step < STEPS; step++) {
      // Short holds end either before the next step or long after it: at the moment itself the two may differ.
      if (expiresAt > 0 && Date.now() > expiresAt - 150) {
        // oxlint-disable-next-line no-await-in-loop
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, expiresAt - Date.now()) + 60));
        expiresAt = 0;
      }
      const mode = random.pick(['exclusive', 'exclusive', 'permits', 'read', 'write'] as const);
      const rows: Rows<bigint> = mode === 'exclusive' ? locks : shared[mode === 'permits' ? 'semaphore' : 'read-write'];
      const isShort = random.chance(0.15);
      const names = random.chance(0.3) ? ['a', 'b "\\'] : [random.pick(['a', 'b "\\'])];
      const owner = random.pick(owners);
      const ttlMs = isShort ? SHORT_MS : LONG_MS;
      const requests = names.map((name): TableRequest => {
        const base = { name, owner, label: 'a label', ttlMs, isWaiting: random.chance(0.2), sign: random.chance(0.3) ? sign : null };
        return mode === 'permits' ? { ...base, mode, permits: random.integer(1, LIMIT), limit: LIMIT } : { ...base, mode };
      });
      const holds: readonly (HoldRef & { readonly ttlMs: number })[] = requests.map((request) => ({ ...request, ttlMs: LONG_MS }));
      const what = random.integer(0, 9);
      if (what <= 3) {
        // A writer that waits keeps readers out for a while, longer than the test lasts.
        if (isShort) expiresAt = Math.max(expiresAt, Date.now() + SHORT_MS);
        // oxlint-disable-next-line no-await-in-loop
        await rows.attempt(requests, timed, query);
      } else if (what === 4) {
        // oxlint-disable-next-line no-await-in-loop
        await rows.renew(holds, timed, query);
      } else if (what <= 7) {
        // oxlint-disable-next-line no-await-in-loop
        await rows.release(holds, query);
      } else if (what === 8) {
        // oxlint-disable-next-line no-await-in-loop
        await rows.inspect('a', query);
      } else {
        // oxlint-disable-next-line no-await-in-loop
        await shared['read-write'].withdraw('a', query);
      }
    }
    expect(sign.taken).not.toHaveBeenCalled();
    const { rows: lines } = await postgres.admin.query(`SELECT FROM ${schema}.leases WHERE kind LIKE '%-waiters' AND holders <> '{}'`);
    expect(lines).toEqual([]);
  });
});

const AS_TEXT = { getTypeParser: () => (value: string) => value };

/** But for what two clocks and two sequences tell differently. */
function roughly(row: Row): readonly unknown[] {
  return row.map((cell, index) => {
    // For how long a lock has been held.
    if (index === 4) return cell === null ? null : Number(cell) >= 0;
    if (cell?.startsWith('{') === true) return holdersIn(cell);
    if (cell === null || !/^-?\d+(\.\d+)?$/.test(cell)) return cell;
    return sizeOf(Number(cell));
  });
}

function holdersIn(json: string): unknown {
  const holders = JSON.parse(json) as Record<string, { readonly m: string; readonly p: number; readonly l: string; readonly a: number }>;
  return Object.entries(holders)
    .map(([owner, { m, p, l, a }]) => ({ owner, m, p, l, a: typeof a }))
    .sort((a, b) => (a.owner < b.owner ? -1 : 1));
}

function sizeOf(value: number): string {
  if (value > 1e14) return 'a fence';
  if (value > 1e11) return 'the time';
  if (value > 5 * SHORT_MS + 1_000) return 'long';
  if (value > SHORT_MS) return 'a writer';
  // The index of a row, or next to nothing.
  if (Number.isInteger(value) && value > 0 && value < 5) return String(value);
  return value > 0 ? 'short' : 'over';
}
