import process from 'node:process';
import { describeLockManager } from '@holdfast/core/conformance';
import { redactUrl } from '../../redact-url.js';
import { usageError } from '../cli-error.js';
import { confirm } from '../confirm.js';
import { CaseCollector, type CaseResult, type RegisteredCase, runCases } from '../conformance/case-runner.js';
import { storeHarness } from '../conformance/store-harness.js';
import { showDuration } from '../duration.js';
import { exitCodes } from '../exit-codes.js';
import { SignalRelay } from '../guarded/signal-relay.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { printable, quoted } from '../printable.js';
import { table } from '../table.js';

export interface ConformanceOptions extends StoreOptions {
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly only?: readonly string[];
  readonly concurrency: number;
}

/** `holdfast conformance`: the suite that every backend must pass, on the user's own server. */
export async function conformance(options: ConformanceOptions, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  const url = redactUrl(config.url);
  // A store that cannot be reached is not one that fails all cases.
  const { backend, expiry } = await withManager(config, async (manager) => ({
    backend: manager.backend,
    expiry: manager.capabilities.expiry,
  }));
  const collector = new CaseCollector();
  describeLockManager(collector, storeHarness(config, expiry));
  const cases = chosen(collector.cases, options.only);
  if (!options.yes) await confirm(announcement(cases.length, url, options.concurrency), 'run them', 'nothing was run');

  const relay = new SignalRelay();
  const start = performance.now();
  try {
    const progress = new Progress(cases.length, options.json === true);
    const results = await runCases(cases, options.concurrency, (result) => progress.add(result), relay.interrupted);
    progress.end();
    relay.interrupted.throwIfAborted();
    const report = { ok: results.every(({ ok }) => ok), backend, url, ms: Math.round(performance.now() - start), ...counts(results) };
    if (options.json) output.printJson({ ...report, cases: results.map((result) => withoutSecrets(result, output)) });
    else printReport(results, report, output);
    return report.ok ? exitCodes.ok : exitCodes.no;
  } finally {
    relay.close();
  }
}

function chosen(cases: readonly RegisteredCase[], only: readonly string[] | undefined): readonly RegisteredCase[] {
  if (only === undefined) return cases;
  const isNamed = ({ topic, id }: RegisteredCase, name: string): boolean => topic === name || id === name;
  const unknown = only.find((name) => !cases.some((each) => isNamed(each, name)));
  if (unknown === undefined) return cases.filter((each) => only.some((name) => isNamed(each, name)));
  const topics = [...new Set(cases.map(({ topic }) => topic))].join(', ');
  throw usageError(`--only: there is no case and no topic ${quoted(unknown)}; the topics are ${topics}`);
}

/** Nobody is to run this on a server in production by a slip of the shell's history. */
function announcement(count: number, url: string, concurrency: number): string {
  return (
    `${count} cases will take and free locks on ${url}, ${concurrency} at a time with a few connections each. ` +
    'Their names are random, nothing is flushed, no other key is touched; the server is kept busy meanwhile.'
  );
}

function counts(results: readonly CaseResult[]): { readonly passed: number; readonly failed: number } {
  const passed = results.filter(({ ok }) => ok).length;
  return { passed, failed: results.length - passed };
}

function withoutSecrets(result: CaseResult, output: Output): CaseResult {
  return result.error === undefined ? result : { ...result, error: output.scrub(result.error) };
}

function printReport(results: readonly CaseResult[], report: { readonly ok: boolean; readonly ms: number }, output: Output): void {
  const topics = [...new Set(results.map(({ topic }) => topic))];
  const rows = topics.map((topic) => {
    const own = results.filter((result) => result.topic === topic);
    const { passed, failed } = counts(own);
    return [topic, String(passed), failed === 0 ? '-' : String(failed), showDuration(own.reduce((sum, { ms }) => sum + ms, 0))];
  });
  const [head = '', ...lines] = table([['TOPIC', 'PASSED', 'FAILED', 'TIME'], ...rows]);
  output.print(output.style('bold', head));
  for (const [index, line] of lines.entries()) output.print(rows[index]?.[2] === '-' ? line : output.style('red', line));
  for (const result of results) {
    if (result.ok) continue;
    output.print(`\n${output.style('red', 'FAILED')} ${result.id}: ${result.title}`);
    for (const line of output.scrub(result.error ?? '').split('\n')) output.print(`  ${printable(line)}`);
  }
  const { passed, failed } = counts(results);
  output.print(`\n${output.style(report.ok ? 'green' : 'red', `${passed} passed, ${failed} failed`)} in ${showDuration(report.ms)}`);
}

/** A line that is written over on a terminal; elsewhere, silence until the end. */
class Progress {
  readonly #total: number;
  readonly #isShown: boolean;
  #done = 0;
  #failed = 0;

  constructor(total: number, asJson: boolean) {
    this.#total = total;
    this.#isShown = !asJson && process.stderr.isTTY;
  }

  add({ ok, id }: CaseResult): void {
    this.#done += 1;
    if (!ok) this.#failed += 1;
    if (!this.#isShown) return;
    process.stderr.write(
      `\r\u001b[2K${this.#done} of ${this.#total}${this.#failed === 0 ? '' : `, ${this.#failed} failed`}  ${id}`.slice(0, 100),
    );
  }

  end(): void {
    if (this.#isShown) process.stderr.write('\r\u001b[2K');
  }
}
