import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RedisServer, startRedis, until } from '@holdfast/test/servers';
import { connect } from 'holdfast';
import { describe, expect, it } from 'vitest';
import { type CliProcess, isRunning, patient, startCli, temporaryFolder, untilGone } from './cli-process.js';

/** Of its own, not the one of HOLDFAST_TEST_REDIS_URL: it is stopped and killed here. */
const ownServer = (): Promise<RedisServer> => startRedis({ config: {} });

const FAMILY = 'sleep 60 & echo "pid $$ child $!"; wait';
const DEAF = `trap 'echo got TERM' TERM; sh -c 'trap "" TERM; while :; do sleep 0.05; done' & echo "pid $$ child $!"; while :; do sleep 0.05; done`;

function start(server: RedisServer, name: string, script: string, ...options: readonly string[]): CliProcess {
  return startCli(['run', name, '--ttl', '2s', ...options, '--', 'sh', '-c', script], { url: patient(server.url, 4_000) });
}

async function family(cli: CliProcess): Promise<readonly number[]> {
  const [, shell, child] = await cli.prints(/pid (\d+) child (\d+)/);
  return [Number(shell), Number(child)];
}

async function force(server: RedisServer, name: string): Promise<void> {
  await using locks = await connect(patient(server.url));
  expect(await locks.forceRelease(name)).toBe(true);
}

// Each has a server of its own, and waits.
describe.concurrent('holdfast run, when the lock is lost', () => {
  it.each([
    ['the server says nothing any more', (server: RedisServer) => server.pause(), 'deadline'],
    ['the server is gone', (server: RedisServer) => server.kill(), 'deadline'],
  ])('ends the command and says 79: %s', async (_, harm, reason) => {
    await using server = await ownServer();
    await using cli = start(server, randomUUID(), FAMILY);
    const members = await family(cli);
    await harm(server);
    const { code, stderr } = await cli.ended;
    expect(code).toBe(79);
    expect(stderr).toContain(`is lost (${reason}); ending the command`);
    expect(stderr).toMatch(/; the command was ended by SIGTERM\n/);
    expect(await Promise.all(members.map(isRunning))).toEqual([false, false]);
  });

  it('ends it also when somebody takes the lock away by force', async () => {
    await using server = await ownServer();
    const name = randomUUID();
    await using cli = start(server, name, FAMILY);
    await family(cli);
    await force(server, name);
    expect((await cli.ended).code).toBe(79);
  });

  it('ends it when it takes longer than it may', async () => {
    await using server = await ownServer();
    await using cli = start(server, randomUUID(), FAMILY, '--max-hold', '3s');
    const members = await family(cli);
    const { code, stderr } = await cli.ended;
    expect(code).toBe(79);
    expect(stderr).toContain('is lost (max-hold)');
    await Promise.all(members.map((pid) => untilGone(pid)));
  });

  it('kills, after the grace, what does not end by SIGTERM', async () => {
    await using server = await ownServer();
    const name = randomUUID();
    await using cli = start(server, name, DEAF, '--grace', '500ms');
    const members = await family(cli);
    await force(server, name);
    const { code, stdout, stderr } = await cli.ended;
    expect(code).toBe(79);
    expect(stdout).toContain('got TERM');
    expect(stderr).toContain('; the command was ended by SIGKILL');
    expect(await Promise.all(members.map(isRunning))).toEqual([false, false]);
  });

  it('does all that also when nobody hears what it has to say', async () => {
    await using server = await ownServer();
    const name = randomUUID();
    await using cli = start(server, name, FAMILY);
    const members = await family(cli);
    cli.closeStderr();
    await force(server, name);
    expect((await cli.ended).code).toBe(79);
    expect(await Promise.all(members.map(isRunning))).toEqual([false, false]);
  });

  it('kills what the command leaves behind when it ends itself', async () => {
    await using server = await ownServer();
    const name = randomUUID();
    const script = `sh -c 'trap "" TERM; while :; do sleep 0.05; done' & echo "pid $$ child $!"; trap 'exit 5' TERM; wait`;
    await using cli = start(server, name, script, '--grace', '500ms');
    const [, child = 0] = await family(cli);
    await force(server, name);
    const { code, stderr } = await cli.ended;
    expect(code).toBe(79);
    expect(stderr).toContain('; the command ended with 5');
    expect(await isRunning(child)).toBe(false);
  });

  it('says 79 too when only the end of the command shows that the lock was gone', async () => {
    await using server = await ownServer();
    using folder = temporaryFolder();
    const name = randomUUID();
    const go = join(folder.path, 'go');
    await using cli = startCli(['run', name, '--ttl', '60s', '--', 'sh', '-c', `echo on; until [ -e "${go}" ]; do sleep 0.02; done`], {
      url: patient(server.url, 4_000),
    });
    await cli.prints(/on/);
    await force(server, name);
    writeFileSync(go, '');
    const { code, stderr } = await cli.ended;
    expect(code).toBe(79);
    expect(stderr).toMatch(/^holdfast: [^\n]+; the command ended with 0\n$/);
  });
});

describe('holdfast run, when the store is down for a while', () => {
  it('goes on under a lock that still holds, and ends with the code of the command though it could not be freed', async () => {
    await using server = await ownServer();
    using folder = temporaryFolder();
    const go = join(folder.path, 'go');
    await using cli = startCli(
      ['run', 'a', '--ttl', '60s', '--', 'sh', '-c', `echo on; until [ -e "${go}" ]; do sleep 0.02; done; exit 4`],
      {
        url: patient(server.url, 4_000),
      },
    );
    await cli.prints(/on/);
    await server.kill();
    writeFileSync(go, '');
    const { code, stderr } = await cli.ended;
    expect(code).toBe(4);
    expect(stderr).toMatch(/^holdfast: the lock "a" could not be freed and ends by itself: [^\n]+\n$/);
  });

  it('goes on waiting through a restart of the server', async () => {
    await using server = await ownServer();
    await using locks = await connect(patient(server.url));
    await using _ = await locks.acquire('a');
    await using cli = startCli(['run', 'a', '--wait', '1m', '--', 'echo', 'done'], { url: patient(server.url, 4_000) });
    await until('it waits', async () => ((await locks.inspect('a')).waiters ?? 0) > 0);
    // This server keeps nothing, so the lock is free when it is back.
    await server.kill();
    await server.restart();
    expect(await cli.ended).toMatchObject({ code: 0, stdout: 'done\n' });
  });
});
