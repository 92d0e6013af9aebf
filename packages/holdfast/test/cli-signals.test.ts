import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { type RedisServer, spawnScript, startRedis, until } from '@holdfast/test/servers';
import { connect, type LockManager } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliProcess, patient, ps, startCli, temporaryFolder, untilGone } from './cli-process.js';

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

/** Says its number, and of each signal that it got; does not end by them. */
const DEAF = `for s in INT TERM HUP QUIT USR1 USR2; do trap "echo got $s" $s; done; echo "pid $$"; while :; do sleep 0.05; done`;
/** A shell that waits for a child of its own, whose number it says too; both end by signals. */
const FAMILY = 'sleep 60 & echo "pid $$ child $!"; wait';
/** A family of which nobody hears SIGTERM. */
const DEAF_FAMILY = `trap '' TERM; sh -c 'trap "" TERM; while :; do sleep 0.05; done' & echo "pid $$ child $!"; while :; do sleep 0.05; done`;

/** Prints what is appended to a file, and starts nothing: a shell that is stopped while it forks does not show it. */
function followed(file: string): string {
  appendFileSync(file, '');
  return `echo "pid $$"; exec tail -f '${file}'`;
}

function start(name: string, script: string, ...options: readonly string[]): CliProcess {
  return startCli(['run', name, ...options, '--', 'sh', '-c', script], { url: patient(server.url) });
}

async function family(cli: CliProcess): Promise<readonly number[]> {
  const [, shell, child] = await cli.prints(/pid (\d+) child (\d+)/);
  return [Number(shell), Number(child)];
}

async function isHeld(name: string): Promise<boolean> {
  return (await locks.inspect(name)).held;
}

describe('signals to holdfast run', () => {
  it('are passed on, and the lock is held until the command has ended', async () => {
    const name = randomUUID();
    await using cli = start(name, DEAF);
    const pid = Number((await cli.prints(/pid (\d+)/))[1]);
    for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGHUP', 'SIGUSR2', 'SIGTERM'] as const) {
      const before = cli.stdout.length;
      cli.kill(signal);
      await until(`the command got ${signal}`, () => cli.stdout.slice(before).includes(`got ${signal.slice(3)}`));
    }
    expect(await isHeld(name)).toBe(true);
    process.kill(pid, 'SIGKILL');
    expect((await cli.ended).code).toBe(137);
    expect(await isHeld(name)).toBe(false);
  });

  it('reach what the command has started', async () => {
    const name = randomUUID();
    await using cli = start(name, FAMILY);
    const members = await family(cli);
    cli.kill('SIGINT');
    // Background jobs of a shell without job control ignore SIGINT; SIGTERM is for everybody.
    cli.kill('SIGTERM');
    const { code } = await cli.ended;
    expect([130, 143]).toContain(code);
    await Promise.all(members.map((pid) => untilGone(pid)));
    expect(await isHeld(name)).toBe(false);
  });

  it('end the wait for the lock, and nothing is run', async () => {
    const name = randomUUID();
    await using lease = await locks.acquire(name);
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      await using cli = start(name, 'echo never', '--wait', 'forever');
      await until('it waits', async () => ((await locks.inspect(name)).waiters ?? 0) > 0);
      cli.kill(signal);
      expect(await cli.ended).toMatchObject({ code, stdout: '', stderr: `holdfast: interrupted by ${signal}\n` });
      await until('nobody waits', async () => (await locks.inspect(name)).waiters === 0);
    }
    await lease.release();
  });

  it('kill a command that does not end: at the second request after the grace, at the third at once', async () => {
    const name = randomUUID();
    await using patient = start(name, DEAF, '--grace', '200ms');
    await patient.prints(/pid/);
    patient.kill('SIGTERM');
    await patient.prints(/got TERM/);
    patient.kill('SIGTERM');
    await patient.tells(/asked twice to end: the command has another 200ms/);
    expect((await patient.ended).code).toBe(137);

    await using hurried = start(name, DEAF, '--grace', '1h');
    await hurried.prints(/pid/);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGINT'] as const) {
      hurried.kill(signal);
      await until('it was taken', () => hurried.stdout.includes('got') || hurried.stderr.includes('twice'));
      if (signal === 'SIGTERM') await hurried.tells(/asked twice/);
    }
    expect((await hurried.ended).code).toBe(137);
    expect(await isHeld(name)).toBe(false);
  });

  it('stop the command with it and let it go on', async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, 'input');
    await using cli = start(randomUUID(), followed(file));
    const pid = Number((await cli.prints(/pid (\d+)/))[1]);
    cli.kill('SIGTSTP');
    await until('the command stands still', async () => (await stateOf(pid)) === 'T');
    cli.kill('SIGCONT');
    appendFileSync(file, 'tick\n');
    await cli.prints(/tick/);
  });

  it('do not let it go on when its lock went meanwhile', async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, 'input');
    const name = randomUUID();
    await using cli = start(name, followed(file), '--ttl', '3s');
    const pid = Number((await cli.prints(/pid (\d+)/))[1]);
    cli.kill('SIGTSTP');
    await until('the command stands still', async () => (await stateOf(pid)) === 'T');
    await until('the lock is free', async () => !(await isHeld(name)));
    appendFileSync(file, 'tick\n');
    cli.kill('SIGCONT');
    const { code, stdout, stderr } = await cli.ended;
    expect(code).toBe(79);
    expect(stderr).toContain('is lost (deadline); ending the command');
    expect(stdout).not.toContain('tick');
  });
});

describe('a holdfast run that is killed', () => {
  it('takes the command with it, and the lock ends by its time to live', async () => {
    const name = randomUUID();
    await using cli = start(name, FAMILY, '--ttl', '3s');
    const members = await family(cli);
    cli.kill('SIGKILL');
    expect(await cli.ended).toMatchObject({ code: null, signal: 'SIGKILL' });
    await Promise.all(members.map((pid) => untilGone(pid)));
    await until('the lock is free', async () => !(await isHeld(name)));
  });

  it('takes along a command that does not hear SIGTERM, after the grace', async () => {
    await using cli = start(randomUUID(), DEAF_FAMILY, '--ttl', '60s', '--grace', '1s');
    const members = await family(cli);
    cli.kill('SIGKILL');
    await cli.ended;
    await Promise.all(members.map((pid) => untilGone(pid)));
  });

  it('takes along a command that it has only just started, where the system shows whose command that is', async () => {
    await using script = spawnScript<number>(new URL('./unwatched-command.ts', import.meta.url));
    const pid = await script.next();
    await script.kill('SIGKILL');
    if (process.platform === 'linux') await untilGone(pid);
    else process.kill(pid, 'SIGKILL');
  });

  it('has left no guard behind when the command ends by itself', async () => {
    await using cli = start(randomUUID(), 'read -r line < /dev/null; echo "parent $PPID"; sleep 0.2');
    const [, parent] = await cli.prints(/parent (\d+)/);
    const guards = await children(Number(parent));
    expect(guards.length).toBeGreaterThan(0);
    await cli.ended;
    await Promise.all(guards.map((pid) => untilGone(pid)));
  });
});

async function stateOf(pid: number): Promise<string> {
  return (await ps('-o', 'stat=', '-p', String(pid))).trim().slice(0, 1);
}

async function children(parent: number): Promise<readonly number[]> {
  const lines = (await ps('-eo', 'pid=,ppid=')).trim().split('\n');
  return lines.map((line) => line.trim().split(/\s+/).map(Number)).flatMap(([pid, ppid]) => (ppid === parent && pid ? [pid] : []));
}
