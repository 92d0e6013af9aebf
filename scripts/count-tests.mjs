// Prints "N passed, N failed" from vitest's JSON report: node scripts/count-tests.mjs REPORT
import { readFileSync } from 'node:fs';

const { passed, failed } = count(readFileSync(process.argv[2], 'utf8'));
console.log(`${passed} passed, ${failed} failed`);

function count(text) {
  // No report: the tests did not get as far as running.
  if (text.trim() === '') return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(text);
  // A file that could not be loaded has no tests, and is a failure anyway.
  const broken = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  );
  return { passed: numPassedTests, failed: numFailedTests + broken.length };
}
