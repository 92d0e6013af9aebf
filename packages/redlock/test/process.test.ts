import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startRedisNodes } from '@holdfast/test/servers';
import { expect, it } from 'vitest';

const run = promisify(execFile);

it("an operator's script initializes nodes, locks, and ends though it has closed nothing", async () => {
  await using servers = await startRedisNodes(3);
  const program = `
    import { createRedlockLockManager, initializeNodes } from '@holdfast/redlock';
    const urls = ${JSON.stringify(servers.urls)};
    await initializeNodes({ urls });
    const lease = await createRedlockLockManager({ urls }).acquire('job');
    console.log(lease.isHeld);
  `;
  const options = { cwd: fileURLToPath(new URL('..', import.meta.url)), timeout: 20_000 };
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', program], options);
  expect({ stdout, stderr }).toEqual({ stdout: 'true\n', stderr: '' });
});
