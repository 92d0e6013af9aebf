import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const { resolve } = createRequire(import.meta.url);
const script = fileURLToPath(new URL('../dist/runtimes/async-contexts.js', import.meta.url));

/** How Node keeps async contexts has changed twice since 20: each of the versions that we support is asked. */
const nodes: readonly (readonly [major: string, path: string])[] = [
  [process.versions.node.split('.')[0] ?? '', process.execPath],
  ...['22', '24', '26'].map((major) => [major, resolve(`node-${major}/bin/node`)] as const),
];

it.each(nodes)("background work runs in no caller's async context, and keeps none alive, on Node %s", async (major, path) => {
  const { stdout } = await run(path, ['--expose-gc', script], { timeout: 25_000 });
  expect(stdout).toContain(`contexts are right on Node ${major}.`);
});
