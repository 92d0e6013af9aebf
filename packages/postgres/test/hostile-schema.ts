import type pg from 'pg';

/** A role of somebody else, who has put into a schema of its own all that it could. */
export interface HostileSchema {
  /** A search path that prefers it to everything, as a role, a database or a server may have. */
  readonly searchPath: string;
  /** What of it has been run: how often, and what was last. */
  runs(): Promise<{ readonly count: number; readonly last: string | null }>;
}

/**
 * Shadows everything that SQL can name without a schema: every function and operator of PostgreSQL, with the same types of operands; where
 * PostgreSQL's own takes any type, one for each that we use, which fits better; every type, by a domain that checks its values; every
 * relation of the catalogue, by a view. Each of them counts that it was run, also in a transaction that is rolled back, and fails.
 */
export async function createHostileSchema(admin: pg.Pool, role: string): Promise<HostileSchema> {
  const client = await admin.connect();
  try {
    await client.query(`
      CREATE ROLE ${role} LOGIN;
      CREATE SCHEMA hostile AUTHORIZATION ${role};
      GRANT USAGE ON SCHEMA hostile TO public;
      SET ROLE ${role};
      SET search_path = '';
      CREATE SEQUENCE hostile.runs;
      CREATE TABLE hostile.names (id serial, name text);
      CREATE SEQUENCE hostile.last MINVALUE 0 START 0;
      GRANT ALL ON ALL SEQUENCES IN SCHEMA hostile TO public;
      CREATE FUNCTION hostile.refuse(which bigint) RETURNS bool LANGUAGE plpgsql AS $f$ BEGIN
        PERFORM pg_catalog.nextval('hostile.runs'), pg_catalog.setval('hostile.last', which);
        RAISE EXCEPTION 'something of another role was run';
      END $f$;`);
    await client.query(`DO $do$
      DECLARE
        one record;
        id bigint;
        used CONSTANT text[] := '{text,bigint,integer,double precision,numeric,boolean,bytea,jsonb,bigint[],text[],record,timestamp with time zone}';
      BEGIN
        FOR one IN
          SELECT proname AS name, pg_catalog.pg_get_function_identity_arguments(oid) AS arguments, pg_catalog.pg_get_function_result(oid) AS result
          FROM pg_catalog.pg_proc WHERE pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND prokind <> 'p'
        UNION ALL
          SELECT name, a, 'text' FROM pg_catalog.unnest('{count,jsonb_build_object,format,concat,min,max,sum}'::text[]) AS name, pg_catalog.unnest(used) AS a
        UNION ALL
          SELECT name, a || ', ' || b, 'text' FROM pg_catalog.unnest('{jsonb_object_agg,jsonb_build_object,format,string_agg}'::text[]) AS name,
            pg_catalog.unnest(used) AS a, pg_catalog.unnest(used) AS b
        LOOP
          BEGIN
            INSERT INTO hostile.names (name) VALUES (one.name || '(' || one.arguments || ')') RETURNING names.id INTO id;
            EXECUTE pg_catalog.format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN PERFORM hostile.refuse(%s); END $f$',
              one.name, one.arguments, one.result, id);
          EXCEPTION WHEN others THEN NULL; -- It takes or returns what only PostgreSQL itself can handle.
          END;
        END LOOP;
        FOR one IN
          SELECT oprname AS name, oprleft::pg_catalog.regtype::text AS l, oprright::pg_catalog.regtype::text AS r, oprresult::pg_catalog.regtype::text AS result
          FROM pg_catalog.pg_operator WHERE oprnamespace = 'pg_catalog'::pg_catalog.regnamespace AND oprleft <> 0 AND oprright <> 0
        UNION ALL
          SELECT name, 'character varying', b, 'bool' FROM pg_catalog.unnest('{=,<>,<,<=,>,>=}'::text[]) AS name, pg_catalog.unnest('{text,character varying}'::text[]) AS b
        LOOP
          BEGIN
            INSERT INTO hostile.names (name) VALUES (one.l || ' ' || one.name || ' ' || one.r) RETURNING names.id INTO id;
            EXECUTE pg_catalog.format('CREATE FUNCTION hostile.operator_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN PERFORM hostile.refuse(%s); END $f$',
              id, one.l, one.r, one.result, id);
            EXECUTE pg_catalog.format('CREATE OPERATOR hostile.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = hostile.operator_%s)', one.name, one.l, one.r, id);
          EXCEPTION WHEN others THEN NULL;
          END;
        END LOOP;
        FOR one IN SELECT relname AS name FROM pg_catalog.pg_class WHERE relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND relkind IN ('r', 'v') LOOP
          INSERT INTO hostile.names (name) VALUES (one.name) RETURNING names.id INTO id;
          EXECUTE pg_catalog.format('CREATE VIEW hostile.%I AS SELECT hostile.refuse(%s); GRANT SELECT ON hostile.%I TO public', one.name, id, one.name);
        END LOOP;
        FOREACH one.name IN ARRAY '{text,int4,int8,float8,bool,bytea,jsonb,timestamptz,timestamp,interval,regclass,oid,name,numeric}'::text[] LOOP
          INSERT INTO hostile.names (name) VALUES ('type ' || one.name) RETURNING names.id INTO id;
          EXECUTE pg_catalog.format('CREATE DOMAIN hostile.%I AS pg_catalog.%I CHECK (hostile.refuse(%s))', one.name, one.name, id);
        END LOOP;
      END $do$`);
    await client.query('RESET ROLE; RESET search_path');
  } finally {
    client.release();
  }
  return {
    searchPath: 'hostile, public, pg_catalog',
    async runs() {
      const { rows } = await admin.query<{ readonly count: number; readonly last: string | null }>(
        `SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM hostile.runs)::int AS count,
          (SELECT names.name FROM hostile.names JOIN hostile.last ON names.id = last_value) AS last`,
      );
      return rows[0] ?? { count: -1, last: null };
    },
  };
}
