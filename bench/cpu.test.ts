import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { countCpu, cpuTimeOf } from './cpu.js';

/** Until this process has really used that much, however busy the machine is. */
function work(ms: number): void {
  const start = process.cpuUsage();
  for (let used = { user: 0, system: 0 }; (used.user + used.system) / 1_000 < ms; used = process.cpuUsage(start));
}

describe('the CPU time of a process', () => {
  it('grows by what it works', async () => {
    const [, { clientMs, serverMs }] = await countCpu([process.pid], async () => work(50));
    expect(clientMs).toBeGreaterThanOrEqual(50);
    expect(serverMs).toBeGreaterThanOrEqual(45);
  });

  it('counts what the processes below it used, also those that have ended', async () => {
    const [, { serverMs }] = await countCpu([process.pid], async () => {
      spawnSync(process.execPath, [
        '-e',
        'const end = Date.now() + 60_000; while (process.cpuUsage().user < 150_000 && Date.now() < end);',
      ]);
    });
    expect(serverMs).toBeGreaterThanOrEqual(130);
  });

  it('is unknown for one that is not there, and where none is known', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    expect(await cpuTimeOf([pid])).toBeNull();
    expect(await cpuTimeOf([])).toBeNull();
  });
});
