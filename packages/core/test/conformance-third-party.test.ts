import { describeLockManager } from '@holdfast/core/conformance';
import { describe, it } from 'vitest';
import { mapHarness } from './third-party/map-harness.js';

describeLockManager({ describe: describe.concurrent, it }, mapHarness);
