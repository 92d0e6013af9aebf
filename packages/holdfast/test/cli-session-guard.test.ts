import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PostgresServer, startPostgres, until } from '@holdfast/test/servers';
import { connect } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, startCli, temporaryFolder } from './cli-process.js';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server?.close());

/** A command that needs a while to end when it is asked to, and notes when it began and ended. */
function slow(log: string): readonly string[] {
  const end = `sleep 2; echo first ended >> "$0"; exit 0`;
  return ['sh', '-c', `trap '${end}' TERM; echo first began >> "$0"; echo on; while :; do sleep 0.05; done`, log];
}

describe('on a store whose locks go with the connection', () => {
  // Each has a name of its own, and waits for a command that takes 2 s to end.
  it.concurrent.each(['run', 'once', 'lead'] as const)(
    'a killed `holdfast %s` leaves no second command beside its own',
    { timeout: 60_000 },
    async (command) => {
      using folder = temporaryFolder();
      const log = join(folder.path, 'log');
      const name = randomUUID();
      const options = { run: ['--wait', '30s'], once: ['--window', '1h'], lead: [] }[command];
      await using first = startCli([command, name, ...options, '--', ...slow(log)], { url: server.url });
      await first.prints(/on/);
      first.kill('SIGKILL');
      await first.ended;
      await using locks = await connect(server.url);
      await until(
        'its lock is free',
        async () => !(await locks.inspect({ run: name, once: `once/${name}`, lead: `election/${name}` }[command])).held,
      );
      const second = await runCli([command, name, ...options, '--', 'sh', '-c', 'echo second began >> "$0"', log], { url: server.url });
      expect(second).toMatchObject({ code: 0 });
      expect(readFileSync(log, 'utf8').trim().split('\n')).toEqual(['first began', 'first ended', 'second began']);
    },
  );

  it('a command that has ended leaves no guard behind', async () => {
    const name = randomUUID();
    expect(await runCli(['run', name, '--', 'true'], { url: server.url })).toMatchObject({ code: 0, stderr: '' });
    await using locks = await connect(server.url);
    await until('the second name is free', async () => !(await locks.inspect(`guard/${name}`)).held);
    // A service that takes the name by the API does not know of the second one.
    await (await locks.acquire(name, { waitMs: 0 })).release();
  });

  it('the wait for the second name ends when it is asked to, and nothing is run', async () => {
    const name = randomUUID();
    await using locks = await connect(server.url);
    const lease = await locks.acquire(`guard/${name}`);
    await using waiting = startCli(['run', name, '--', 'echo', 'never'], { url: server.url });
    await until('it has the first name', async () => (await locks.inspect(name)).held);
    await until('its guard waits for the second', async () => (await locks.inspect(`guard/${name}`)).waiters !== 0);
    waiting.kill('SIGTERM');
    expect(await waiting.ended).toMatchObject({ code: 143, stdout: '' });
    await lease.release();
    await until('nothing is left', async () => !(await locks.inspect(`guard/${name}`)).held && !(await locks.inspect(name)).held);
  });

  it('takes names of any length', async () => {
    expect(await runCli(['run', 'n'.repeat(512), '--', 'echo', 'ran'], { url: server.url })).toMatchObject({ code: 0, stdout: 'ran\n' });
  });
});
