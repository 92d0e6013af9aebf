import { describeLockManager } from '@holdfast/core/conformance';
import { beforeAll, describe, it } from 'vitest';
import { warmUp, wiredHarness } from './conformance-harness.js';
import { useNodes } from './redlock-harness.js';

const nodes = useNodes(3);

const harness = wiredHarness('Redlock on three nodes', nodes, {});

beforeAll(() => warmUp(harness));

describeLockManager({ describe: describe.concurrent, it }, harness);
