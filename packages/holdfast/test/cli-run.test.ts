import { randomUUID } from 'node:crypto';
import { type RedisServer, reservePort, startRedis, until } from '@holdfast/test/servers';
import { connect, type LockManager } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bin, patient, runCli, startCli } from './cli-process.js';
import { runCommand } from './run-command.js';

let server: RedisServer;
let locks: LockManager;

beforeAll(async () => {
  server = await startRedis();
  locks = await connect(patient(server.url));
});
afterAll(async () => {
  await locks?.close();
  await server?.close();
});

describe('holdfast run', () => {
  it('runs the command under the lock, and frees it', async () => {
    const name = randomUUID();
    await using cli = startCli(['run', name, '--', 'sh', '-c', 'echo running; read -r line < "$0"', '/dev/zero'], {
      url: patient(server.url),
    });
    await cli.prints(/running/);
    expect((await locks.inspect(name)).held).toBe(true);
    cli.kill('SIGTERM');
    expect((await cli.ended).code).toBe(143);
    expect((await locks.inspect(name)).held).toBe(false);
  });

  it.each([
    ['0', ['true'], 0],
    ['3', ['sh', '-c', 'exit 3'], 3],
    ['that of a shell for a signal', ['sh', '-c', 'kill -9 $$'], 137],
    ['127 for a command that is not there', ['no-such-command-anywhere'], 127],
    ['127 for a command without a name', [''], 127],
    ['126 for one that cannot be run', ['/etc/passwd'], 126],
    ['126 for one in what is no folder', ['/etc/passwd/command'], 126],
  ])('ends with the code of the command: %s', async (_, command, code) => {
    const name = randomUUID();
    const result = await runCli(['run', name, '--', ...command], { url: patient(server.url) });
    expect(result).toMatchObject({ code, stdout: '' });
    // Its own words, if any, in one line.
    expect(result.stderr).toMatch(code === 127 || code === 126 ? /^holdfast: [^\n]+\n$/ : /^$/);
    expect((await locks.inspect(name)).held).toBe(false);
  });

  it('takes a name that begins with a dash behind --, and the command behind another or at once', async () => {
    const name = `-x ${randomUUID()}`;
    for (const command of [
      ['--', 'echo', 'ran'],
      ['echo', 'ran'],
    ]) {
      expect(await runCli(['run', '--', name, ...command], { url: patient(server.url) })).toMatchObject({ code: 0, stdout: 'ran\n' });
    }
  });

  it('says what to do where the working directory was removed', async () => {
    const script = `cd "$(mktemp -d)" && rmdir "$PWD" && exec "$0" "$@"`;
    const command = (...options: readonly string[]) =>
      runCommand('sh', [
        '-c',
        script,
        process.execPath,
        bin,
        ...options,
        '--url',
        patient(server.url),
        'run',
        randomUUID(),
        '--',
        'echo',
        'ran',
      ]);
    expect(await command()).toMatchObject({ code: 64, stderr: expect.stringContaining('--no-config') as string });
    expect(await command('--no-config')).toMatchObject({ code: 0, stdout: 'ran\n' });
  });

  it('says that there is no shell where one was meant', async () => {
    const { code, stderr } = await runCli(['run', randomUUID(), '--', 'echo a | wc'], { url: patient(server.url) });
    expect(code).toBe(127);
    expect(stderr).toContain("sh -c '...'");
  });

  it('hands its name and a rising fencing token to the command, with the streams as they are', async () => {
    const name = `nightly ${randomUUID()}`;
    const script = 'echo "$HOLDFAST_LOCK/$HOLDFAST_FENCING_TOKEN"; echo oops >&2';
    const options = { url: patient(server.url), env: { HOLDFAST_FENCING_TOKEN: '9' } };
    const first = await runCli(['run', name, '--', 'sh', '-c', script], options);
    const second = await runCli(['run', name, '--', 'sh', '-c', script], options);
    const tokens = [first, second].map(({ stdout, stderr, code }) => {
      expect({ stderr, code }).toEqual({ stderr: 'oops\n', code: 0 });
      const [, shown, token] = /^(.*)\/(\d+)\n$/.exec(stdout) ?? [];
      expect(shown).toBe(name);
      return BigInt(token ?? 0);
    });
    expect(tokens[0]).toBeGreaterThan(9n);
    expect(tokens[1]).toBeGreaterThan(tokens[0] ?? 0n);
  });

  it('gives the arguments of the command on as they are', async () => {
    const args = ['--url', '--', '-h', '', 'a b', '$HOME', '--json'];
    const { stdout, code } = await runCli(['run', randomUUID(), '--', 'printf', '<%s>', ...args], { url: patient(server.url) });
    expect({ stdout, code }).toEqual({ stdout: args.map((arg) => `<${arg}>`).join(''), code: 0 });
  });

  it('runs nothing and ends with 75 when somebody else has the lock', async () => {
    const name = randomUUID();
    await using _ = await locks.acquire(name, { label: 'web-1\u001b[2J:7' });
    const { code, stdout, stderr } = await runCli(['run', name, '--', 'echo', 'never'], { url: patient(server.url) });
    expect({ code, stdout }).toEqual({ code: 75, stdout: '' });
    expect(stderr).toMatch(/^holdfast: "[^"]+" is busy: web-1\\u\{1b\}\[2J:7 has it \(unless renewed, for \d+s more\)\n$/);
  });

  it('says nothing and ends with 0 instead with --busy-ok', async () => {
    const name = randomUUID();
    await using _ = await locks.acquire(name);
    expect(await runCli(['run', name, '--busy-ok', '--', 'echo', 'never'], { url: patient(server.url) })).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });

  it('waits as long as it may, and no longer', async () => {
    const name = randomUUID();
    const lease = await locks.acquire(name);
    const start = performance.now();
    expect((await runCli(['run', name, '--wait', '2s', '--', 'echo', 'never'], { url: patient(server.url) })).code).toBe(75);
    expect(performance.now() - start).toBeGreaterThan(2_000);

    await using cli = startCli(['run', name, '--wait', 'forever', '--', 'echo', 'at last'], { url: patient(server.url) });
    await until('it waits', async () => ((await locks.inspect(name)).waiters ?? 0) > 0);
    await lease.release();
    expect(await cli.ended).toMatchObject({ code: 0, stdout: 'at last\n' });
  });

  it('says who has the lock by the label that it is given', async () => {
    const name = randomUUID();
    await using cli = startCli(['run', name, '--label', 'the night shift', '--ttl', '90s', '--', 'sh', '-c', 'echo on; sleep 30'], {
      url: patient(server.url),
    });
    await cli.prints(/on/);
    const [holder] = (await locks.inspect(name)).holders;
    expect(holder?.label).toBe('the night shift');
    expect(holder?.remainingMs).toBeGreaterThan(60_000);
  });

  it('runs nothing and ends with 69 when the store is not there, in one line without the password', async () => {
    const reserved = await reservePort();
    const url = `redis://:SECRET@127.0.0.1:${reserved.port}`;
    const { code, stdout, stderr } = await runCli(['run', 'a', '--busy-ok', '--', 'echo', 'never'], { url }).finally(() =>
      reserved.release(),
    );
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toMatch(/^holdfast: redis:\/\/\*\*\*@127\.0\.0\.1:\d+: [^\n]+\n$/);
    expect(stderr).not.toContain('SECRET');
  });

  it('warns that memory: keeps nobody out', async () => {
    const { code, stdout, stderr } = await runCli(['run', 'a', '--url', 'memory:', '--', 'echo', 'done']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'done\n' });
    expect(stderr).toMatch(/^holdfast: the store is memory:[^\n]+\n$/);
  });

  it('leaves the umask, the niceness and the limits of the command as they were', async () => {
    const show = 'umask; nice; ulimit -S -c; ulimit -S -t';
    const around = (command: string): string => `umask 027; ulimit -S -c 0; ulimit -S -t 1234; exec nice -n 5 ${command}`;
    const inside = await runCommand('sh', [
      '-c',
      around(`"$0" "$1" run ${randomUUID()} --url "$2" -- sh -c "${show}"`),
      process.execPath,
      bin,
      server.url,
    ]);
    expect(inside).toMatchObject({ code: 0, stdout: '0027\n5\n0\n1234\n' });
  });

  it.each([
    ['no command', ['run', 'a'], /missing required argument 'command'/],
    ['no name', ['run'], /missing required argument 'name'/],
    ['a command without --', ['run', 'a', 'ls', '-l'], /put -- in front/],
    ['a wait without a unit', ['run', 'a', '--wait', '30', '--', 'true'], /unit/],
    ['a wait that is none', ['run', 'a', '--wait', 'soon', '--', 'true'], /duration/],
    ['a ttl of nothing', ['run', 'a', '--ttl', '0s', '--', 'true'], /above zero/],
    ['a ttl beyond all', ['run', 'a', '--ttl', '1y', '--', 'true'], /24 days/],
    ['an empty name', ['run', '', '--', 'true'], /name/],
    ['an unknown option', ['run', 'a', '--wiat', '1s', '--', 'true'], /unknown option.*--wait/],
  ])('refuses %s with 64, and runs nothing', async (_, args, message) => {
    const { code, stdout, stderr } = await runCli(args, { url: patient(server.url) });
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/^holdfast: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });
});
