import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RedisServer, reservePort, startRedis } from '@holdfast/test/servers';
import { connect } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliResult, patient, runCli, startCli, temporaryFolder } from './cli-process.js';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.close());

function once(name: string, options: readonly string[], ...command: readonly string[]): Promise<CliResult> {
  return runCli(['once', name, '--window', '1h', ...options, '--', ...command], { url: patient(server.url) });
}

/** A command that goes on until the file is there. */
function until(file: string, then = 'true'): readonly string[] {
  return ['sh', '-c', `echo on; until [ -e "$0" ]; do sleep 0.02; done; ${then}`, file];
}

/** Where the day does not end in the next hour. */
function zoneBeforeMidnight(): string {
  const hourIn = (timeZone: string): number =>
    Number(new Intl.DateTimeFormat('en', { hour: 'numeric', hourCycle: 'h23', timeZone }).format());
  return hourIn('Pacific/Kiritimati') < 23 ? 'Pacific/Kiritimati' : 'America/Caracas';
}

describe('holdfast once', () => {
  it('runs a command once a window, over all who try, and says nothing of the others', async () => {
    const name = randomUUID();
    const results = await Promise.all(Array.from({ length: 3 }, () => once(name, [], 'echo', 'ran')));
    expect(results.map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array.from({ length: 3 }, () => ({ code: 0, stderr: '' })));
    expect(results.map(({ stdout }) => stdout).join('')).toBe('ran\n');
    expect(await once(name, ['--skip-code', '9'], 'echo', 'again')).toMatchObject({ code: 9, stdout: '' });
  });

  it('runs it again in the next window', async () => {
    const name = randomUUID();
    const run = (): Promise<CliResult> => runCli(['once', name, '--window', '400ms', '--', 'echo', 'ran'], { url: patient(server.url) });
    expect((await run()).stdout).toBe('ran\n');
    await expect.poll(async () => (await run()).stdout, { timeout: 10_000 }).toBe('ran\n');
  });

  it('ends with the code of a command that fails, and lets the next one try', async () => {
    const name = randomUUID();
    expect(await once(name, [], 'sh', '-c', 'exit 3')).toMatchObject({ code: 3, stderr: '' });
    expect(await once(name, [], 'sh', '-c', 'kill -9 $$')).toMatchObject({ code: 137 });
    expect(await once(name, [], 'no-such-command-anywhere')).toMatchObject({ code: 127 });
    expect(await once(name, [], 'echo', 'ran')).toMatchObject({ code: 0, stdout: 'ran\n' });
  });

  it('lets nobody try after a failure for as long as --retry-after says, or at all with --at-most-once', async () => {
    const [name, other] = [randomUUID(), randomUUID()];
    expect((await once(name, ['--retry-after', '30m'], 'false')).code).toBe(1);
    expect(await once(name, [], 'echo', 'again')).toMatchObject({ code: 0, stdout: '' });
    expect((await once(other, ['--at-most-once'], 'false')).code).toBe(1);
    expect(await once(other, ['--at-most-once'], 'echo', 'again')).toMatchObject({ code: 0, stdout: '' });
  });

  it('runs nothing while it runs elsewhere, under a lock that has its name', async () => {
    using folder = temporaryFolder();
    const name = randomUUID();
    const go = join(folder.path, 'go');
    await using first = startCli(['once', name, '--window', '1h', '--', ...until(go, 'echo $HOLDFAST_LOCK')], { url: patient(server.url) });
    await first.prints(/on/);
    expect(await once(name, ['--skip-code', '75'], 'echo', 'never')).toMatchObject({ code: 75, stdout: '', stderr: '' });
    await using locks = await connect(patient(server.url));
    expect((await locks.inspect(`once/${name}`)).held).toBe(true);
    writeFileSync(go, '');
    expect(await first.ended).toMatchObject({ code: 0, stdout: `on\nonce/${name}\n` });
  });

  it('ends a command that has lost its lock, says 79, and leaves the window open', async () => {
    const name = randomUUID();
    await using first = startCli(['once', name, '--window', '1h', '--ttl', '1s', '--', ...until('/nowhere')], { url: patient(server.url) });
    await first.prints(/on/);
    await using locks = await connect(patient(server.url));
    await locks.forceRelease(`once/${name}`);
    const { code, stderr } = await first.ended;
    expect(code).toBe(79);
    expect(stderr).toMatch(/; the command was ended by SIGTERM\n$/);
    expect(await once(name, [], 'echo', 'ran')).toMatchObject({ stdout: 'ran\n' });
  });

  it('leaves the window open when only the end of the command shows that the lock was gone', async () => {
    using folder = temporaryFolder();
    const name = randomUUID();
    const go = join(folder.path, 'go');
    await using first = startCli(['once', name, '--window', '1h', '--ttl', '1m', '--', ...until(go)], { url: patient(server.url) });
    await first.prints(/on/);
    await using locks = await connect(patient(server.url));
    await locks.forceRelease(`once/${name}`);
    writeFileSync(go, '');
    const { code, stderr } = await first.ended;
    expect(code).toBe(79);
    expect(stderr).toMatch(/; the command ended with 0\n$/);
    expect(await once(name, [], 'echo', 'ran')).toMatchObject({ stdout: 'ran\n' });
  });

  it('passes signals on, and frees the lock', async () => {
    const name = randomUUID();
    await using first = startCli(['once', name, '--window', '1h', '--', 'sh', '-c', 'echo on; sleep 60'], { url: patient(server.url) });
    await first.prints(/on/);
    first.kill('SIGTERM');
    expect((await first.ended).code).toBe(143);
    expect(await once(name, [], 'echo', 'ran')).toMatchObject({ stdout: 'ran\n' });
  });

  it('runs nothing and ends with 69 when the store is not there', async () => {
    const reserved = await reservePort();
    const url = `redis://127.0.0.1:${reserved.port}`;
    const { code, stdout, stderr } = await runCli(['once', 'a', '--window', '1h', '--', 'echo', 'never'], { url });
    reserved.release();
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toMatch(/^holdfast: [^\n]+\n$/);
  });

  // This one and the next two have a server each, and wait.
  it.concurrent('says that the run could not be noted when the store went away while it ran', async () => {
    await using own = await startRedis({ config: {} });
    using folder = temporaryFolder();
    const go = join(folder.path, 'go');
    await using first = startCli(['once', 'a', '--window', '1h', '--ttl', '2s', '--', ...until(go)], { url: own.url });
    await first.prints(/on/);
    await own.kill();
    writeFileSync(go, '');
    const { code, stderr } = await first.ended;
    expect(code).toBe(80);
    expect(stderr).toContain('holdfast: the command ended with 0; that it has run could not be noted, so it may run again: ');
  });

  it.concurrent('ends with the code of a command that failed though --retry-after could not be noted, and says so', async () => {
    await using own = await startRedis({ config: {} });
    using folder = temporaryFolder();
    const go = join(folder.path, 'go');
    const options = ['--window', '1h', '--retry-after', '1h', '--ttl', '2s'];
    await using first = startCli(['once', 'a', ...options, '--', ...until(go, 'exit 3')], { url: own.url });
    await first.prints(/on/);
    await own.kill();
    writeFileSync(go, '');
    const { code, stderr } = await first.ended;
    expect(code).toBe(3);
    expect(stderr).toContain('holdfast: --retry-after could not be noted: ');
  });

  it.concurrent('notes that it has run when the store is back in a moment', async () => {
    await using own = await startRedis({ config: {} });
    using folder = temporaryFolder();
    const name = randomUUID();
    const go = join(folder.path, 'go');
    await using first = startCli(['once', name, '--window', '1h', '--', ...until(go)], { url: own.url });
    await first.prints(/on/);
    await own.pause();
    writeFileSync(go, '');
    // Longer than one command to the store may take.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await own.continue();
    expect(await first.ended).toMatchObject({ code: 0, stderr: '' });
    const again = await runCli(['once', name, '--window', '1h', '--', 'echo', 'again'], { url: own.url });
    expect(again).toMatchObject({ code: 0, stdout: '' });
  });

  it('takes no window for a command that cannot be started, with --at-most-once neither', async () => {
    const name = randomUUID();
    expect(await once(name, ['--at-most-once'], 'no-such-command-anywhere')).toMatchObject({ code: 127 });
    expect(await once(name, ['--at-most-once'], 'echo', 'ran')).toMatchObject({ code: 0, stdout: 'ran\n' });
  });

  it('says whether it is due, and forgets that it has run', async () => {
    using folder = temporaryFolder();
    const name = randomUUID();
    const ask = (flag: string): Promise<CliResult> => runCli(['once', name, flag], { url: patient(server.url) });
    expect(await ask('--status')).toMatchObject({ code: 0, stdout: `${name} is due\n` });
    expect(await ask('--reset')).toMatchObject({ code: 1, stdout: `${name} was due already\n` });
    const go = join(folder.path, 'go');
    await using first = startCli(['once', name, '--window', '1h', '--label', 'me', '--', ...until(go)], { url: patient(server.url) });
    await first.prints(/on/);
    expect(await ask('--status')).toMatchObject({ code: 75, stdout: `${name} runs now by me\n` });
    writeFileSync(go, '');
    await first.ended;
    const { code, stdout } = await ask('--status');
    expect(code).toBe(1);
    expect(stdout).toMatch(/ is not due for another \S+: it ran \S+ ago by me\n$/);
    const listed = await runCli(['ls', '--marks', `once/${name}`, '--json'], { url: patient(server.url) });
    expect(JSON.parse(listed.stdout)).toMatchObject([{ name: `once/${name}`, outcome: 'succeeded', label: 'me' }]);
    expect((await runCli(['ls', '--marks', `once/${name}`], { url: patient(server.url) })).stdout).toMatch(/^MARK .*\n.* succeeded .* me /);
    expect(await ask('--reset')).toMatchObject({ code: 0, stdout: `${name} is due again\n` });
    expect(await once(name, [], 'echo', 'ran')).toMatchObject({ stdout: 'ran\n' });
  });

  it('runs once in a day of a time zone', async () => {
    const name = randomUUID();
    const zone = zoneBeforeMidnight();
    const daily = ['--window', 'day', '--time-zone', zone];
    const run = (...rest: readonly string[]): Promise<CliResult> => runCli(['once', name, ...daily, ...rest], { url: patient(server.url) });
    expect(await run('--', 'echo', 'ran')).toMatchObject({ code: 0, stdout: 'ran\n' });
    expect(await run('--', 'echo', 'ran')).toMatchObject({ code: 0, stdout: '' });
    const asked = await run('--status');
    expect(asked.code).toBe(1);
    expect(asked.stdout).toContain(`${name} is not due until the next day in ${zone}: it ran `);
    expect((await run('--reset')).code).toBe(0);
    expect(await run('--', 'echo', 'ran')).toMatchObject({ code: 0, stdout: 'ran\n' });
  });

  it('has windows of up to ten years', async () => {
    const name = randomUUID();
    const run = (window: string): Promise<CliResult> =>
      runCli(['once', name, '--window', window, '--', 'echo', 'ran'], { url: patient(server.url) });
    expect(await run('520w')).toMatchObject({ code: 0, stdout: 'ran\n' });
    expect((await run('530w')).code).toBe(64);
  });

  it.each([
    ['no window', ['once', 'a', '--', 'true'], /--window/],
    ['no command', ['once', 'a', '--window', '1m'], /command/],
    ['two questions', ['once', 'a', '--status', '--reset'], /one/],
    ['a question and a command', ['once', 'a', '--status', '--', 'true'], /runs nothing/],
    ['a period of no zone', ['once', 'a', '--window', 'day', '--', 'true'], /--time-zone/],
    ['a zone of no period', ['once', 'a', '--window', '1m', '--time-zone', 'UTC', '--', 'true'], /--time-zone/],
    ['a zone that does not exist', ['once', 'a', '--window', 'day', '--time-zone', 'Mars/Base', '--', 'true'], /--time-zone <name>/],
    ['a window of nothing', ['once', 'a', '--window', '0s', '--', 'true'], /above zero/],
    ['a retry after the window', ['once', 'a', '--window', '1m', '--retry-after', '2m', '--', 'true'], /--retry-after must not be longer/],
    ['a code that is none', ['once', 'a', '--window', '1m', '--skip-code', '256', '--', 'true'], /from 0 to 255/],
  ])('refuses %s with 64', async (_, args, message) => {
    const { code, stderr } = await runCli(args, { url: patient(server.url) });
    expect(code).toBe(64);
    expect(stderr).toMatch(/^holdfast: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });
});
