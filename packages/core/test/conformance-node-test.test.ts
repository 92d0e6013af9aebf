import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { conformanceCases } from '@holdfast/core/conformance';
import { describe, expect, it } from 'vitest';
import { mapHarness } from './third-party/map-harness.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

describe('a third party', () => {
  it('runs the suite on a backend of its own with node:test', async () => {
    // vitest's own environment must not reach the other runner.
    const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env;
    const run = promisify(execFile)(
      process.execPath,
      ['--test', '--test-reporter=tap', here('../dist-test/test/third-party/with-node-test.js')],
      {
        env,
        maxBuffer: 64 * 1024 * 1024,
      },
    );
    const { stdout } = await run.catch((error: { stdout: string }) => error);
    const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(stdout)?.[1]);
    assert.equal(
      count('fail'),
      0,
      stdout
        .split(/^(?= *not ok)/m)
        .slice(1)
        .map((text) => text.slice(0, 2_000))
        .join('\n'),
    );
    expect(count('pass')).toBeGreaterThanOrEqual(conformanceCases({ faults: mapHarness.faults }).length);
    expect(count('skipped')).toBe(0);
  }, 180_000);

  it('finds in the README what was run here', async () => {
    const readme = await readFile(here('../src/conformance/README.md'), 'utf8');
    for (const file of ['./third-party/map-harness.ts', './third-party/with-node-test.ts', './conformance-third-party.test.ts']) {
      const code = (await readFile(here(file), 'utf8')).replaceAll('./third-party/', './').trim();
      assert.ok(readme.includes(code), `the README does not show ${file} as it is`);
    }
  });
});
