import { describeLockManager } from '@holdfast/core/conformance';
import { describe, it } from 'vitest';
import { harness } from './sqlite-harness.js';

describeLockManager({ describe: describe.concurrent, it }, harness);
