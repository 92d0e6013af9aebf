import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { requireProgram } from '@holdfast/test/servers';
import { expect, it } from 'vitest';

const run = promisify(execFile);

/** null: namespaces can be made here. */
async function whyNoNamespace(): Promise<string | null> {
  try {
    await requireProgram({ binary: 'ip', debianPackage: 'iproute2' });
    await requireProgram({ binary: 'iptables', debianPackage: 'iptables' });
    await run('unshare', ['-n', 'sh', '-c', 'ip link set lo up && iptables -L -n']);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

it('packets that were lost, and are sent again when their connection was given up, leave no lock', { timeout: 90_000 }, async () => {
  const why = await whyNoNamespace();
  if (why !== null) {
    if (process.env['HOLDFAST_TEST_NO_NAMESPACE'] === 'expected') return;
    throw new Error(
      `no network namespace with iptables can be made here (as root, with unshare, ip and iptables); HOLDFAST_TEST_NO_NAMESPACE=expected says that this is so: ${why}`,
    );
  }
  const script = fileURLToPath(new URL('../dist-test/test/packet-loss-process.js', import.meta.url));
  const { stdout } = await run('unshare', ['-n', process.execPath, script]);
  const { dropped, releases, stands } = JSON.parse(stdout) as { dropped: number; releases: readonly number[]; stands: readonly boolean[] };
  expect(dropped).toBe(2);
  // The first could not be final: nobody knew what became of the packets.
  for (const count of releases) expect(count).toBeGreaterThan(1);
  expect(stands).toEqual([false, false]);
});
