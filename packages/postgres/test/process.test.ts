import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();

/** Runs a program that locks through a manager and closes nothing. */
async function run(body: string): Promise<{ readonly code: number | null; readonly output: string; readonly ms: number }> {
  const program = `
    import { createPostgresLockManager } from '@holdfast/postgres';
    const name = 'n' + process.pid;
    ${body}
    console.log('done', Date.now());
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 25_000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output, ms: Date.now() - Number(output.split(' ')[1]) };
}

describe('a process that is done', () => {
  it.each(['advisory', 'table'])('ends though it holds a lock, was waiting and has closed nothing (%s)', async (strategy) => {
    const options = JSON.stringify({ connectionString: postgres.server.url, strategy });
    const { code, output, ms } = await run(`
      const [locks, other] = [createPostgresLockManager(${options}), createPostgresLockManager(${options})];
      await locks.acquire(name);
      await other.acquire(name, { waitMs: 200 }).catch(() => {});
      await locks.marks.set(name, { retentionMs: 10 });`);
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringMatching(/^done/) as string });
    expect(ms).toBeLessThan(2_000);
  });

  it('does not stay for a server that is not there, and does not end before its calls have', async () => {
    const { code, output } = await run(`
      const locks = createPostgresLockManager({ connectionString: 'postgres://127.0.0.1:1/none', unavailableAfterMs: 300 });
      await locks.acquire(name);`);
    expect(code).toBe(1);
    expect(output).toContain('LockUnavailableError: postgres: the connection failed (ECONNREFUSED)');
  });
});
