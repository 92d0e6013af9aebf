import { callOf } from '@holdfast/test/backend';
import { expect, it } from 'vitest';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();

it('the sweep goes by the index of ends, whatever the planner knows of the table', async () => {
  const { marks } = postgres.backend();
  await marks?.set('first', 60_000, callOf());
  await postgres.admin.query(`insert into holdfast.marks select 'lock', decode(md5(i::text), 'hex'), now(), now() + interval '1 day', '', ''
    from generate_series(1, 50000) i`);
  const plan = await postgres.admin.query<{ 'QUERY PLAN': string }>(
    `explain select ctid from holdfast.marks where namespace = 'lock' and expires_at <= clock_timestamp() limit 500 for update skip locked`,
  );
  expect(plan.rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('marks_by_end');
});
