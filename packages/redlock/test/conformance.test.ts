import { describeLockManager } from '@holdfast/core/conformance';
import { beforeAll, describe, it } from 'vitest';
import { warmUp, wiredHarness } from './conformance-harness.js';
import { useNodes } from './redlock-harness.js';

// A case takes the longest ttl that there is.
const options = { maxTtlMs: 2 ** 31 - 1 };
const nodes = useNodes(3, options);

const harness = wiredHarness('Redlock on three nodes', nodes, options);

beforeAll(() => warmUp(harness));

describeLockManager({ describe, it: it.concurrent }, harness);
