import { spawn } from 'node:child_process';
import { newName, requestOf, take } from '@holdfast/test/backend';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { useZooKeeper } from './zookeeper-harness.js';

const zooKeeper = useZooKeeper();

/** Runs a program that takes a lock, waits for another in vain, and never closes anything. */
async function run(port: number, root: string): Promise<{ readonly code: number | null; readonly output: string; readonly ms: number }> {
  const program = `
    import { createZooKeeperLockManager } from '@holdfast/zookeeper';
    const manager = createZooKeeperLockManager({ connectionString: '127.0.0.1:${port}', root: '${root}', sessionTimeoutMs: 5000, unavailableAfterMs: 1000 });
    const lease = await manager.acquire('held');
    const busy = await manager.acquire('busy', { waitMs: 1500 }).catch((error) => error.code);
    console.log(lease.isHeld, busy, Date.now());
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output, ms: Date.now() - Number(output.split(' ')[2]) };
}

describe('a process that is done', () => {
  it('ends though it has closed nothing, and its session soon after', async () => {
    const root = `/process-${newName()}`;
    const backend = zooKeeper.backend({ root });
    await take(backend, requestOf('busy'));
    const { code, output, ms } = await run(zooKeeper.server.port, root);
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringMatching(/^true LOCK_TIMEOUT/) as string });
    expect(ms).toBeLessThan(2000);
  });

  it('does not stay for a server that is not there', async () => {
    const { code, output } = await run(1, '/nowhere');
    expect(code).toBe(1);
    expect(output).toContain('LOCK_BACKEND_UNAVAILABLE');
    expect(output).toContain('ECONNREFUSED');
  });
});
