import { describeLockManager } from '@holdfast/core/conformance';
import { warmUp } from '@holdfast/test/backend';
import { beforeAll, describe, it } from 'vitest';
import { wiredHarness } from './conformance-harness.js';
import { useRedis } from './redis-harness.js';

const redis = useRedis();

const harness = wiredHarness(
  'Redis',
  () => redis.server,
  (pattern) => redis.admin.keys(pattern),
  {},
);

beforeAll(() => warmUp(harness));

describeLockManager({ describe: describe.concurrent, it }, harness);
