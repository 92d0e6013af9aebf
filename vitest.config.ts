import { defineConfig } from 'vitest/config';

// Where .ci/run wants a report that a program can read.
const report = process.env['HOLDFAST_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts', 'examples/test/**/*.test.ts'],
    // test/clients is for vitest.clients.config.ts.
    exclude: ['**/node_modules/**', '**/dist/**', '**/dist-test/**', 'packages/*/test/clients/**'],
    // Finds or installs the servers before the first test, outside of every test's own time.
    globalSetup: ['test/global-setup.ts'],
    // Processes and not threads: tests stop, kill and load their own process's neighbours.
    pool: 'forks',
    // Leases live on timers: more test files at a time than cores would only make deadlines pass.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A test that passes the second time has found something; it is not to be hidden.
    retry: 0,
    allowOnly: false,
    passWithNoTests: false,
    restoreMocks: true,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
