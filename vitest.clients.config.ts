import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

const redis = (...names: readonly string[]): string[] => names.map((name) => `packages/redis/test/${name}.test.ts`);

// What repeats too much for the time that CI has.
const byHand = process.env['HOLDFAST_TEST_ALL_CLIENTS'] ? ['packages/*/test/clients/by-hand/*.test.ts'] : [];

/** What is asked of every driver. */
const ofDrivers = redis(
  'conformance-standalone',
  'conformance-cluster',
  'locks',
  'semaphores',
  'waiting',
  'faults',
  'acl',
  'unsent',
  'listener',
  'cluster',
  'channels',
  'resharding',
  'sentinel',
  'replicas',
);

/** The tests of `pnpm test:clients`: what the test command runs on ioredis, on every other Redis client. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: [],
    exclude: ['**/node_modules/**', '**/dist/**', '**/dist-test/**'],
    projects: [
      {
        extends: true,
        test: {
          name: 'redis',
          env: { HOLDFAST_TEST_REDIS_DRIVER: 'redis' },
          include: ofDrivers,
        },
      },
      {
        extends: true,
        test: {
          name: 'glide',
          env: { HOLDFAST_TEST_REDIS_DRIVER: '@valkey/valkey-glide' },
          setupFiles: ['packages/redis/test/clients/quiet-glide.ts'],
          include: ofDrivers,
        },
      },
      {
        extends: true,
        test: {
          name: 'clients',
          setupFiles: ['packages/redis/test/clients/quiet-glide.ts'],
          include: ['packages/*/test/clients/*.test.ts', ...byHand],
        },
      },
    ],
  },
});
