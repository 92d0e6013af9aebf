import { conformanceCases, runConformanceCase } from '@holdfast/core/conformance';
import { memoryHarness } from '../conformance-memory-harness.js';
import { mutants } from './index.js';
import type { Mutant } from './mutant.js';

// A process of its own: a case that fails half-way may leave rejections behind that a test runner would take for its own.
process.on('unhandledRejection', () => {});

/** What became of one case on one mutant. */
export interface MutantVerdict {
  readonly mutant: string;
  readonly caseId: string;
  /** null: the case passed, so the mutant lives. */
  readonly failure: string | null;
}

const SIDE_BY_SIDE = 24;
const wanted = new Set(process.argv.slice(2));
const cases = new Map(conformanceCases().map((testCase) => [testCase.id, testCase]));
const jobs = mutants
  .filter((mutant) => wanted.size === 0 || wanted.has(mutant.id))
  .flatMap((mutant) => mutant.caughtBy.map((caseId) => ({ mutant, caseId })));

const survivors: typeof jobs = [];
await Promise.all(
  Array.from({ length: SIDE_BY_SIDE }, async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const verdict = await judge(job.mutant, job.caseId);
      if (verdict.failure === null) survivors.push(job);
      else tell(verdict);
    }
  }),
);
// On a busy machine a case may look too late at what is broken for a moment. One by one they are in time.
for (const { mutant, caseId } of survivors) tell(await judge(mutant, caseId));
// Mutants may hold timers and never-ending waits.
process.exit(0);

function tell(verdict: MutantVerdict): void {
  process.stdout.write(`${JSON.stringify(verdict)}\n`);
}

async function judge(mutant: Mutant, caseId: string): Promise<MutantVerdict> {
  const testCase = cases.get(caseId);
  if (testCase === undefined) throw new Error(`mutant ${mutant.id} names a case that does not exist: ${caseId}`);
  const harness = memoryHarness({
    name: mutant.id,
    fair: mutant.fair ?? true,
    late: testCase.faults.includes('deliverLate'),
    breakBackend: mutant.breakBackend,
    breakManager: mutant.breakManager,
  });
  try {
    await runConformanceCase(harness, testCase);
    return { mutant: mutant.id, caseId, failure: null };
  } catch (error) {
    return { mutant: mutant.id, caseId, failure: error instanceof Error ? error.message : String(error) };
  }
}
