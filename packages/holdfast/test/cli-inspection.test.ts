import { randomUUID } from 'node:crypto';
import { type RedisServer, startRedis } from '@holdfast/test/servers';
import { connect, type LockManager, type LockState } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliResult, patient, runCli, startCli } from './cli-process.js';

let server: RedisServer;
let locks: LockManager<bigint>;

beforeAll(async () => {
  server = await startRedis();
  locks = await connect(patient(server.url), { require: ['fencing'], label: 'tester' });
});
afterAll(async () => {
  await locks?.close();
  await server?.close();
});

function cli(...args: readonly string[]): Promise<CliResult> {
  return runCli(args, { url: patient(server.url) });
}

/** What a state is in JSON: its tokens are texts. */
type StateJson = Omit<LockState, 'holders'> & { readonly holders: readonly { readonly fencingToken: string | null }[] };

async function json<T>(...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await cli(...args, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

describe('holdfast ls', () => {
  it('lists what is held, in order, as a table and as JSON', async () => {
    const run = randomUUID();
    await using _b = await locks.acquire(`${run}:b`);
    await using a = await locks.acquire(`${run}:a`);
    await using _s = await locks.semaphore(`${run}:s`, { permits: 3 }).acquire({ permits: 2 });
    await using _r = await locks.readWriteLock(`${run}:r`).read.acquire();

    const states = await json<readonly StateJson[]>('ls', run);
    expect(states.map(({ name, kind }) => [name, kind])).toEqual([
      [`${run}:a`, 'lock'],
      [`${run}:b`, 'lock'],
      [`${run}:r`, 'read-write'],
      [`${run}:s`, 'semaphore'],
    ]);
    expect(states[0]).toMatchObject({
      held: true,
      holders: [{ label: 'tester', mode: 'exclusive', permits: 1, fencingToken: String(a.fencingToken) }],
    });

    const { code, stdout, stderr } = await cli('ls', run);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [head = '', ...rows] = stdout.trimEnd().split('\n');
    expect(head.split(/ {2,}/)).toEqual(['NAME', 'KIND', 'MODE', 'HELD BY', 'HELD', 'LEFT', 'TOKEN', 'WAITING', 'OLDEST']);
    expect(rows.map((row) => row.split(/ {2,}/).slice(0, 4))).toEqual([
      [`${run}:a`, 'lock', 'exclusive', 'tester'],
      [`${run}:b`, 'lock', 'exclusive', 'tester'],
      [`${run}:r`, 'read-write', 'read', 'tester'],
      [`${run}:s`, 'semaphore', '2 permits', 'tester'],
    ]);
    expect(stdout).not.toContain('\u001b');
  });

  it('sorts, and shows one kind', async () => {
    const run = randomUUID();
    await using _a = await locks.acquire(`${run}:a`);
    await using _s = await locks.semaphore(`${run}:s`, { permits: 3 }).acquire();
    await using _b = await locks.acquire(`${run}:b`);
    const namesOf = async (...args: readonly string[]): Promise<readonly string[]> =>
      (await json<readonly StateJson[]>('ls', run, ...args)).map(({ name }) => name.slice(run.length + 1));
    expect(await namesOf('--sort', 'token', '--kind', 'lock')).toEqual(['b', 'a']);
    expect(await namesOf('--sort', 'token', '--kind', 'lock', '--reverse')).toEqual(['a', 'b']);
    expect(await namesOf('--kind', 'semaphore')).toEqual(['s']);
    expect((await cli('ls', run, '--sort', 'size')).code).toBe(64);
    expect((await cli('ls', run, '--kind', 'mutex')).code).toBe(64);
  });

  it('has its columns in line where names are wide', async () => {
    const run = randomUUID();
    await using _a = await locks.acquire(`${run}:漢字`);
    await using _b = await locks.acquire(`${run}:abcd`);
    const [head = '', ...rows] = (await cli('ls', run)).stdout.trimEnd().split('\n');
    const at = head.indexOf('KIND');
    expect(rows.map((row) => row.indexOf('lock '))).toEqual([at, at - 2]);
  });

  it('looks again and again with --watch, into a pipe a line each as JSON, until its reader has gone', async () => {
    const name = randomUUID();
    await using watching = startCli(['ls', name, '--watch', '100ms', '--json'], { url: patient(server.url) });
    await watching.prints(/^\[\]$/m);
    await using _ = await locks.acquire(name);
    await watching.prints(new RegExp(`^\\[{"name":"${name}"`, 'm'));
    expect((await cli('ls', '--watch', '10ms')).code).toBe(64);
    expect((await cli('ls', '--watch', '--marks')).code).toBe(64);
  });

  it('says that there is nothing where there is nothing', async () => {
    const prefix = randomUUID();
    expect(await cli('ls', prefix)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: `holdfast: nothing is held whose name begins with "${prefix}"\n`,
    });
    expect(await json('ls', prefix)).toEqual([]);
  });

  it('shows names that would do something to a terminal as what they are', async () => {
    const run = randomUUID();
    const name = `${run}\u001b[31m\n\u202e`;
    await using _ = await locks.acquire(name);
    const { stdout } = await cli('ls', run);
    expect(stdout).toContain(`${run}\\u{1b}[31m\\u{a}\\u{202e}`);
    const [state] = await json<readonly StateJson[]>('ls', run);
    expect(state?.name).toBe(name);
  });
});

describe('holdfast inspect', () => {
  it('tells of a lock that is held', async () => {
    const name = randomUUID();
    await using lease = await locks.acquire(name);
    expect(await json('inspect', name)).toMatchObject({
      name,
      kind: 'lock',
      held: true,
      holders: [{ fencingToken: String(lease.fencingToken) }],
    });
    const { stdout } = await cli('inspect', name);
    expect(stdout).toMatch(
      new RegExp(
        `^${name} \\(lock\\): held\n {2}held by +tester\n {2}mode +exclusive\n {2}held for +[\\d.]+m?s\n {2}left +\\d+s, unless it is renewed\n {2}token +${lease.fencingToken}\n$`,
      ),
    );
  });

  it('tells of one that is free', async () => {
    const name = randomUUID();
    expect(await json('inspect', name)).toEqual({ name, kind: 'lock', held: false, holders: [], waiters: 0, oldestWaitMs: null });
    expect((await cli('inspect', name)).stdout).toBe(`${name} (lock): free\n`);
  });

  it('tells of semaphores and read/write locks by their kind', async () => {
    const name = randomUUID();
    await using _s = await locks.semaphore(name, { permits: 5 }).acquire({ permits: 4 });
    await using _w = await locks.readWriteLock(name).write.acquire();
    expect(await json('inspect', name, '--kind', 'semaphore')).toMatchObject({ held: true, holders: [{ mode: 'permits', permits: 4 }] });
    expect(await json('inspect', name, '--kind', 'read-write')).toMatchObject({ held: true, holders: [{ mode: 'write' }] });
    expect(await json('inspect', name)).toMatchObject({ held: false });
    expect((await cli('inspect', name, '--kind', 'mutex')).code).toBe(64);
  });
});

describe('holdfast release', () => {
  it('takes nothing from anybody without --force', async () => {
    const name = randomUUID();
    await using lease = await locks.acquire(name);
    const { code, stdout, stderr } = await cli('release', name);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/^holdfast: [^\n]+ say --force if that is what you want\n$/);
    await lease.extend();
  });

  it('frees a lock, no matter who has it', async () => {
    const name = randomUUID();
    const lease = await locks.acquire(name, { ttlMs: 3_000 });
    expect(await json('release', name, '--force')).toEqual({ name, kind: 'lock', freed: true });
    expect(await json('release', name, '--force')).toEqual({ name, kind: 'lock', freed: false });
    await expect.poll(() => lease.signal.aborted, { timeout: 10_000 }).toBe(true);
    await locks.acquire(name);
    expect((await cli('release', name, '--force')).stdout).toBe(`${name} is free now; its holder learns of it by its next renewal\n`);
    expect((await cli('release', name, '-f')).stdout).toBe(`${name} was free already\n`);
  });

  it('frees semaphores and read/write locks by their kind', async () => {
    const name = randomUUID();
    await locks.semaphore(name, { permits: 1 }).acquire();
    expect(await json('release', name, '--force')).toMatchObject({ freed: false });
    expect(await json('release', name, '--force', '--kind', 'semaphore')).toMatchObject({ freed: true });
  });
});
