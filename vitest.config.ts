import { defineConfig } from 'vitest/config';

// Where .ci/run wants a report that a program can read.
const report = process.env['HOLDFAST_TEST_REPORT'];

// Seeds by the ten thousand: they only compute, and meet no server.
const simulators = ['test/simulator.test.ts', 'packages/*/test/simulator.test.ts'];
// Parts that meet no server, no process and no fake timer: they share a process, as most of their time is its start.
const parts = [
  'packages/core/test/!(conformance-*|*clock|manager-process|driver-loader).test.ts',
  'packages/jobs/test/{bad-input,calendar,job-marks}.test.ts',
  'packages/redis/test/{hand-over,key-slot,model,options,push-model,redis-error,redis-url}.test.ts',
  'packages/redlock/test/{model,permit-flow,relay,release,slots}.test.ts',
  'packages/zookeeper/test/{options,session-pool,watch-table}.test.ts',
  'packages/holdfast/test/{display-width,metrics,redact-url,url-options}.test.ts',
];
// test/clients is for vitest.clients.config.ts, and what installs the packed packages for vitest.packages.config.ts.
export const installs = 'packages/holdfast/test/packaging.test.ts';
const left = ['**/node_modules/**', '**/dist/**', '**/dist-test/**', 'packages/*/test/clients/**', installs];

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: 'simulators', include: simulators, exclude: left, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: {
          name: 'parts',
          include: parts,
          exclude: left,
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'servers',
          include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts', 'examples/test/**/*.test.ts'],
          exclude: [...left, ...simulators, ...parts],
          sequence: { groupOrder: 1 },
        },
      },
    ],
    // Finds or installs the servers before the first test, outside of every test's own time.
    globalSetup: ['test/global-setup.ts'],
    // Processes and not threads: tests stop, kill and load their own process's neighbours.
    pool: 'forks',
    // Leases live on timers: more test files at a time than cores would only make deadlines pass.
    maxWorkers: 2,
    // Only for what hangs: what a test waits for has bounds of its own, and the sum of its steps is how busy the machine is.
    testTimeout: 90_000,
    hookTimeout: 120_000,
    // A test that passes the second time has found something; it is not to be hidden.
    retry: 0,
    allowOnly: false,
    passWithNoTests: false,
    restoreMocks: true,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
