import { createLockManager, type LockManager } from '@holdfast/core';
import { createPostgresBackend, postgresSchemaSql } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { afterEach, describe, expect, it } from 'vitest';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();
const open: LockManager[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((locks) => locks.close()));
});

function manager(schema: string, strategy: 'advisory' | 'table', role = 'postgres'): LockManager {
  const connectionString = postgres.server.url.replace('//postgres:', `//${role}:`);
  const locks = createLockManager(createPostgresBackend({ connectionString, schema, strategy }));
  open.push(locks);
  return locks;
}

async function schemaWith(change: (schema: string) => string): Promise<string> {
  const schema = `shape_${newName().slice(5)}`;
  await postgres.admin.query(postgresSchemaSql({ schema }));
  await postgres.admin.query(change(schema));
  return schema;
}

const before = (body: string) => (s: string) =>
  `create function ${s}.f() returns trigger language plpgsql as 'begin ${body}; end';
  create trigger t before insert or update on ${s}.leases for each row execute function ${s}.f()`;

describe('objects that people have made or changed', () => {
  it.each<readonly [string, (schema: string) => string]>([
    ['times of whole seconds', (s) => `alter table ${s}.leases alter expires_at type timestamptz(0)`],
    ['times of no time zone', (s) => `alter table ${s}.leases alter expires_at type timestamp`],
    ['marks of whole seconds', (s) => `alter table ${s}.marks alter expires_at type timestamptz(0)`],
    ['tokens that are too short', (s) => `alter table ${s}.leases alter fence type int4 using 0`],
    ['names of another type', (s) => `alter table ${s}.leases alter name type text using encode(name, 'hex')`],
    ['no primary key', (s) => `alter table ${s}.leases drop constraint leases_pkey`],
    ['a column less', (s) => `alter table ${s}.leases drop holders`],
    ['a column more that must be written', (s) => `alter table ${s}.leases add tenant text not null`],
    ['leases that a crash empties', (s) => `alter table ${s}.leases set unlogged`],
    ['marks that a crash empties', (s) => `alter table ${s}.marks set unlogged`],
    ['a trigger that changes what is written', before(`new.expires_at = '-infinity'::timestamptz; return new`.replaceAll("'", "''"))],
    [
      'a rule',
      (s) =>
        `create table ${s}.seen (at timestamptz); create rule r as on insert to ${s}.leases do also insert into ${s}.seen values (now())`,
    ],
    ['a view in place of the table', (s) => `alter table ${s}.leases rename to real; create view ${s}.leases as select * from ${s}.real`],
    ['tokens that each session draws ahead', (s) => `alter sequence ${s}.fence cache 20`],
    ['tokens that fall', (s) => `alter sequence ${s}.fence increment by -1`],
    ['tokens that begin again', (s) => `alter sequence ${s}.fence cycle`],
    ['a table in place of the sequence', (s) => `drop sequence ${s}.fence; create table ${s}.fence (last_value int8)`],
  ])('%s: are refused at once and permanently, with the object and until it is repaired', async (_, change) => {
    const schema = await schemaWith(change);
    for (const strategy of ['advisory', 'table'] as const) {
      const locks = manager(schema, strategy);
      const error: unknown = await locks.acquire(newName()).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
      expect((error as Error).message).toContain(`"${schema}".`);
      await expect(locks.marks?.has(newName())).rejects.toMatchObject({ retryable: false });
    }
    const locks = manager(schema, 'table');
    await expect(locks.acquire(newName())).rejects.toMatchObject({ retryable: false });
    await postgres.admin.query(`drop schema ${schema} cascade; ${postgresSchemaSql({ schema })}`);
    expect(await (await locks.acquire(newName())).release()).toBe(true);
  });

  it.each<readonly [string, (schema: string) => string]>([
    ['texts of varchar', (s) => `alter table ${s}.leases alter namespace type varchar(300), alter kind type varchar(64)`],
    ['columns more', (s) => `alter table ${s}.leases add seen timestamptz not null default now(), add note text`],
    ['times of microseconds', (s) => `alter table ${s}.leases alter expires_at type timestamptz(6)`],
    [
      'the key as a unique index',
      (s) => `alter table ${s}.leases drop constraint leases_pkey; create unique index on ${s}.leases (name, kind, namespace)`,
    ],
    ['a trigger behind each row', (s) => before('return null')(s).replace('before insert', 'after insert')],
    [
      'parts',
      (
        s,
      ) => `drop table ${s}.leases; create table ${s}.leases (namespace text, kind text, name bytea, fence int8, expires_at timestamptz, owner text,
      label text, holders jsonb, writer_waits_until timestamptz, primary key (namespace, kind, name)) partition by hash (namespace);
      create table ${s}.leases_0 partition of ${s}.leases for values with (modulus 1, remainder 0)`,
    ],
  ])('%s: do no harm', async (_, change) => {
    const schema = await schemaWith(change);
    for (const strategy of ['advisory', 'table'] as const) {
      const lease = await manager(schema, strategy).acquire(newName());
      expect(await lease.release()).toBe(true);
    }
  });
});

describe('objects of another role, for a superuser', () => {
  const runsItsOwn = (schema: string) => `create function ${schema}.f() returns trigger language plpgsql as
    'begin perform set_config(''hostile.ran'', ''yes'', false); alter role ${schema} superuser; return null; end';
    create trigger t after insert on ${schema}.leases for each row execute function ${schema}.f()`;
  it.each<readonly [string, (schema: string) => string]>([
    ['a trigger', runsItsOwn],
    [
      'a check',
      (s) => `create function ${s}.ok() returns bool language sql as 'select true'; alter table ${s}.leases add check (${s}.ok())`,
    ],
    [
      'a default',
      (s) => `create function ${s}.one() returns int language sql as 'select 1'; alter table ${s}.leases add one int default ${s}.one()`,
    ],
    [
      'an index of what a function says',
      (s) => `create function ${s}.of(bytea) returns int language sql immutable as 'select 1'; create index on ${s}.leases (${s}.of(name))`,
    ],
  ])('%s that would run with the permissions of the superuser is never run', async (_, make) => {
    const role = `mallory_${newName().slice(5)}`;
    await postgres.admin.query(`create role ${role} login; create schema ${role} authorization ${role}`);
    await postgres.admin.query(`set role ${role}; ${postgresSchemaSql({ schema: role })} ${make(role)}; reset role`);
    await expect(manager(role, 'table').acquire(newName())).rejects.toMatchObject({ retryable: false });
    const { rows } = await postgres.admin.query<{ rolsuper: boolean }>('select rolsuper from pg_roles where rolname = $1', [role]);
    expect(rows).toEqual([{ rolsuper: false }]);
    // Who owns it may do with it as it likes.
    if (make !== runsItsOwn) expect(await (await manager(role, 'table', role).acquire(newName())).release()).toBe(true);
  });

  it('that run nothing may be used; that role itself needs no permission to make schemas', async () => {
    const role = `app_${newName().slice(5)}`;
    await postgres.admin.query(`create role ${role} login; create schema ${role} authorization ${role}`);
    expect(await (await manager(role, 'table', role).acquire(newName())).release()).toBe(true);
    expect(await (await manager(role, 'table').acquire(newName())).release()).toBe(true);
  });
});
