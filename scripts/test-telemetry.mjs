// Runs the tests of packages/otel on the SDK 3.x of OpenTelemetry, which needs Node 22; `pnpm test` runs them on 2.x. As a user would have them, with
// one copy of the API for all: packages of ours are copied beside the SDK, which npm fetches, once. pnpm test:runtimes runs this too.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { exit } from 'node:process';

const root = new URL('..', import.meta.url).pathname;
const node = createRequire(join(root, 'test/package.json')).resolve('node-22/bin/node');
const vitest = dirname(createRequire(join(root, 'package.json')).resolve('vitest/package.json'));
const folder = join(root, 'node_modules/.cache/holdfast-telemetry');
const installed = join(folder, 'node_modules');

const dependencies = {
  '@opentelemetry/api': '1.10.0',
  '@opentelemetry/context-async-hooks': '3.1.1',
  '@opentelemetry/exporter-prometheus': '0.301.0',
  '@opentelemetry/sdk-metrics': '3.1.1',
  '@opentelemetry/sdk-node': '0.301.0',
  '@opentelemetry/sdk-trace': '3.1.1',
};

const start = Date.now();
let exitCode = 1;
install();
const project = mkdtempSync(join(tmpdir(), 'holdfast-telemetry-'));
try {
  symlinkSync(installed, join(project, 'node_modules'));
  for (const name of ['otel', 'node-sdk']) {
    cpSync(join(root, `packages/otel/test/${name}.test.ts`), join(project, `${name}.test.ts`));
  }
  const { status } = spawnSync(node, [join(vitest, 'vitest.mjs'), 'run', '--root', project], {
    cwd: project,
    stdio: 'inherit',
    timeout: 120_000,
  });
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} the SDK 3.x of OpenTelemetry on Node 22 (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  exitCode = status === 0 ? 0 : 1;
} finally {
  rmSync(project, { recursive: true, force: true });
}
exit(exitCode);

function install() {
  const manifest = `${JSON.stringify({ private: true, dependencies })}\n`;
  const file = join(folder, 'package.json');
  if (!existsSync(installed) || readFileSync(file, 'utf8') !== manifest) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, manifest);
    // npm itself may run on an older Node, and would warn of it for each package.
    const options = ['--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const npm = spawnSync('npm', ['install', ...options], { cwd: folder, stdio: 'inherit' });
    if (npm.status !== 0) {
      rmSync(folder, { recursive: true });
      console.error(`the SDK could not be fetched: npm install ended with ${npm.status}`);
      exit(1);
    }
    symlinkSync(vitest, join(installed, 'vitest'));
  }
  for (const name of ['core', 'otel']) {
    const copy = join(installed, '@holdfast', name);
    rmSync(copy, { recursive: true, force: true });
    for (const part of ['package.json', 'dist']) cpSync(join(root, 'packages', name, part), join(copy, part), { recursive: true });
  }
}
