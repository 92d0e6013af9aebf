// The tests of an adapter, as they are, on another version of the framework than the one that the test command brings.
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { install, mustRun, root, writeProject } from './project.mjs';

/** @param suite the compiled `tests`, the `dependencies` that it is tried with, and whether they are `forced` on npm: their own peers disagree */
export async function trySuite({ tests, dependencies, forced = false }, { folder, ours }) {
  const config = 'export default { test: { include: ["*.test.js"], testTimeout: 60_000 } };\n';
  writeProject(folder, ours, dependencies, { 'vitest.config.mjs': config });
  const { status, output } = install(folder, { force: forced });
  if (status !== 0) throw new Error(`npm install ended with ${status}:\n${output}`);
  const vitest = join(folder, 'node_modules/vitest');
  mkdirSync(dirname(vitest), { recursive: true });
  symlinkSync(join(root, 'node_modules/vitest'), vitest);
  for (const test of tests) cpSync(join(root, test), join(folder, test.split('/').at(-1)));
  const printed = mustRun(process.execPath, [join(vitest, 'vitest.mjs'), 'run', '--root', folder, '--reporter=dot'], { cwd: folder });
  if (!/Tests\s+\d+ passed/.test(printed)) throw new Error(`no test has passed:\n${printed}`);
}
