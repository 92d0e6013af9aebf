import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { conformanceCases } from '@holdfast/core/conformance';
import { beforeAll, describe, expect, it } from 'vitest';
import { mutants } from './mutants/index.js';
import type { MutantVerdict } from './mutants/run-mutants.js';

// Compiled beside the package, as `tsc -b` leaves it: the mutants run as plain Node in a process of their own.
const runner = fileURLToPath(new URL('../dist-test/test/mutants/run-mutants.js', import.meta.url));

describe('the conformance suite notices', () => {
  const verdicts = new Map<string, MutantVerdict>();

  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [runner], { maxBuffer: 64 * 1024 * 1024 });
    for (const line of stdout.trim().split('\n')) {
      const verdict = JSON.parse(line) as MutantVerdict;
      verdicts.set(`${verdict.mutant} ${verdict.caseId}`, verdict);
    }
  }, 240_000);

  for (const mutant of mutants) {
    it(`${mutant.id}, which breaks "${mutant.breaks}"`, () => {
      for (const caseId of mutant.caughtBy) {
        const verdict = verdicts.get(`${mutant.id} ${caseId}`);
        assert.ok(verdict !== undefined, `${caseId} did not run`);
        assert.ok(verdict.failure !== null, `${caseId} passes on it`);
      }
    });
  }

  it('a mutant for each of its mutants, and only by cases that exist', () => {
    const ids = new Set(conformanceCases().map((testCase) => testCase.id));
    expect(new Set(mutants.map((mutant) => mutant.id)).size).toBe(mutants.length);
    for (const mutant of mutants) for (const caseId of mutant.caughtBy) expect(ids).toContain(caseId);
  });
});
