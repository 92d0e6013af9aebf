import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

/** Runs a program that has a manager `locks`, and never closes it. Rejects when it does not end by itself. */
async function run(program: string, fair: boolean): Promise<string> {
  const opening = `
    import { createMemoryLockManager } from '@holdfast/core/memory';
    const locks = createMemoryLockManager({ fair: ${fair}, ttlMs: 60_000 });
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', opening + program], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    timeout: 20_000,
  });
  return stdout.trim();
}

describe.each([true, false])('a process (fair: %s)', (fair) => {
  it('ends with leases that it holds and renews', async () => {
    expect(await run(`await locks.acquire('x'); await locks.semaphore('s', { permits: 2 }).acquire(); console.log('done')`, fair)).toBe(
      'done',
    );
  });

  it('takes what it holds with it, so that the next one finds the name free', async () => {
    const program = `await locks.acquire('x'); console.log((await locks.tryAcquire('x')) === null)`;
    expect([await run(program, fair), await run(program, fair)]).toEqual(['true', 'true']);
  });

  it('ends after a wait that was given up', async () => {
    const program = `
      await locks.acquire('x');
      await locks.acquire('x', { signal: AbortSignal.timeout(50), waitMs: 200 }).catch(({ name, code }) => console.log(name, code ?? ''));
    `;
    expect(await run(program, fair)).toMatch(/TimeoutError|LOCK_TIMEOUT/);
  });

  it('stays for a call that is pending', async () => {
    const program = `
      await locks.acquire('x', { renew: false, ttlMs: 300 });
      await locks.acquire('x');
      console.log('granted');
    `;
    expect(await run(program, fair)).toBe('granted');
  });
});
