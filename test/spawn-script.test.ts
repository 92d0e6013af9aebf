import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnScript, until } from '@holdfast/test/servers';
import { expect, test } from 'vitest';

const script = new URL('./echo-script.ts', import.meta.url);

interface Echo {
  readonly echo?: unknown;
  readonly ready?: boolean;
  readonly args?: readonly string[];
  readonly pid?: number;
}

/** The process is there and not a zombie. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('a script gets its arguments and answers messages, bigints included', async () => {
  await using child = spawnScript<Echo>(script, ['--one', 'two']);
  expect(await child.next((message) => message.ready === true)).toEqual({ ready: true, args: ['--one', 'two'] });
  child.send({ token: 2n ** 60n });
  expect(await child.next()).toEqual({ echo: { token: 2n ** 60n }, pid: child.pid });
});

test('a paused script says nothing until it goes on, and a killed one is gone', async () => {
  await using child = spawnScript<Echo>(script);
  await child.next();
  child.pause();
  child.send('a');
  await expect(child.next(() => true, 200)).rejects.toThrow(/no such message/);
  child.continue();
  expect(await child.next()).toMatchObject({ echo: 'a' });
  await child.kill();
  expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
  expect(isAlive(child.pid)).toBe(false);
  await expect(child.next()).rejects.toThrow(/ended/);
});

test('servers and scripts end with the process that started them, even by SIGKILL, and leave no directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-orphans-'));
  try {
    const parent = spawnScript<{ readonly pids: readonly number[] }>(new URL('./orphan-script.ts', import.meta.url), [], {
      env: { TMPDIR: directory },
    });
    const { pids } = await parent.next();
    expect(pids.every(isAlive)).toBe(true);
    await parent.kill('SIGKILL');
    await until('all of them ended', () => !pids.some(isAlive));
    await until('no directory is left', async () => (await readdir(directory)).length === 0);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
