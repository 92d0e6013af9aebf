import process from 'node:process';
import { allCases } from '../cases/index.js';
import type { ConformanceHarness } from '../harness.js';
import { ALIVE_MS, type ChildMessage, type RunMessage } from './child-messages.js';
import { LocalExecutor } from './local-executor.js';

/** The child's side of `superviseConformance`: runs the cases that it is told to, until its parent is gone. */
export async function serveConformance(harness: ConformanceHarness): Promise<void> {
  const executor = new LocalExecutor(harness);
  const say = (message: ChildMessage): void => void process.send?.(message);
  let told = 0;
  const tellStrays = (): void => {
    for (const stray of executor.strays.slice(told)) say({ stray });
    told = executor.strays.length;
  };
  process.on('message', ({ run }: RunMessage) => {
    const testCase = allCases.find(({ id }) => id === run);
    if (testCase === undefined) return;
    void executor.run(testCase).then((outcome) => {
      tellStrays();
      say({ id: run, outcome });
    });
  });
  // Without its parent nobody reads what it finds out.
  process.once('disconnect', () => process.exit());
  setInterval(() => say({ alive: true }), ALIVE_MS);
  say({ ready: true, versions: await executor.versions() });
}
