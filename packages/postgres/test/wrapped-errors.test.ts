import { createLockManager, type LockManager } from '@holdfast/core';
import { createPostgresBackend, type PostgresQuery, postgresSchemaSql } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();

const run: PostgresQuery = async (text, values) => (await postgres.admin.query({ text, values, rowMode: 'array' })).rows;

function over(query: PostgresQuery): LockManager {
  return createLockManager(createPostgresBackend({ query, strategy: 'table' }));
}

/** As Prisma throws: with a code of its own, of five characters as the server's are. */
function prismaError(code: string, message = 'Server has closed the connection.'): Error {
  return Object.assign(new Error(`\nInvalid \`prisma.$queryRawUnsafe()\` invocation:\n\n\n${message}`), { code, clientVersion: '6.19.0' });
}

describe('an error of a layer above the driver', () => {
  it.each(['P1001', 'P1008', 'P1017', 'P2024', 'EPIPE'])(
    '%s proves nothing of its statement: what is carried out later is freed',
    async (code) => {
      await postgres.admin.query(postgresSchemaSql());
      const [name, grants] = [newName(), [] as Promise<unknown>[]];
      let fails = true;
      await using locks = over(async (text, values) => {
        if (!fails || !text.includes('granted AS')) return await run(text, values);
        fails = false;
        grants.push(new Promise((resolve) => setTimeout(() => resolve(run(text, values)), 200)));
        throw prismaError(code);
      });
      await using other = over(run);
      await expect(locks.tryAcquire(name, { ttlMs: 60_000 })).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
      await Promise.all(grants);
      await until('it is free', async () => !(await other.inspect(name)).held, { timeoutMs: 10_000 });
    },
  );

  it('that quotes what the server said is reported as that, and ends a wait where waiting cannot help', async () => {
    await using locks = over(() =>
      Promise.reject(prismaError('P2010', 'Raw query failed. Code: `42501`. Message: `permission denied for table leases`')),
    );
    const error: unknown = await locks.acquire(newName()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
  });
});
