import { describeLockManager } from '@holdfast/core/conformance';
import { warmUp } from '@holdfast/test/backend';
import { beforeAll, describe, it } from 'vitest';
import { wiredHarness } from './conformance-harness.js';
import { useNodes } from './redlock-harness.js';

const nodes = useNodes(3);

const harness = wiredHarness('Redlock on three nodes', nodes, {});

beforeAll(() => warmUp(harness));

describeLockManager({ describe: describe.concurrent, it }, harness);
