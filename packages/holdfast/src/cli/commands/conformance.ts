import { fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import {
  type CaseResult,
  type ConformanceReport,
  conformanceCases,
  parseExpectedFailures,
  planCases,
  superviseConformance,
  terminalReport,
} from '@holdfast/core/conformance';
import { redactUrl } from '../../redact-url.js';
import { usageError } from '../cli-error.js';
import { checkReportFiles, type ReportFiles, writeReportFiles } from '../conformance/report-files.js';
import { storeFaults, storeInapplicable } from '../conformance/store-harness.js';
import type { SuiteTarget } from '../conformance/suite-process.js';
import { confirm } from '../confirm.js';
import { exitCodes } from '../exit-codes.js';
import { SignalRelay } from '../guarded/signal-relay.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { printable, quoted } from '../printable.js';

export interface ConformanceOptions extends StoreOptions, ReportFiles {
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly only?: readonly string[];
  readonly concurrency: number;
  readonly repeat: number;
  readonly budget?: number;
  readonly seed?: number;
  /** The path of a list of expected failures. */
  readonly expect?: string;
  /** The path of a module that exports a harness. */
  readonly harness?: string;
}

const suiteProcess = fileURLToPath(new URL('../conformance/suite-process.js', import.meta.url));

/** `holdfast conformance`: the suite that every backend must pass, on the user's own server or by a harness of an author's. */
export async function conformance(options: ConformanceOptions, output: Output): Promise<number> {
  const expectedFailures = await expectedOf(options.expect);
  // Whatever is wrong with the arguments is said before anything is asked or run.
  const planned = inWords(() => planCases(options));
  await checkReportFiles(options);
  const { target, shown, count } = await targetOf(options, output, [...planned.first, ...planned.rest]);
  if (!options.yes) await confirm(announcement(count, shown, options.concurrency), 'run them', 'nothing was run');

  const relay = new SignalRelay();
  try {
    const progress = new Progress(count, options.json === true);
    const run = superviseConformance(shown, () => start(target), {
      only: options.only,
      seed: options.seed,
      concurrency: options.concurrency,
      repeat: options.repeat,
      budgetMs: options.budget,
      expectedFailures,
      signal: relay.interrupted,
      onResult: (result) => progress.add(result),
    });
    const report = withoutSecrets(await run.finally(() => progress.end()).catch(unstarted), output);
    // Not on stdout alone: what was found out is shown also where a file cannot be written.
    if (options.json) output.printJson({ ...report, url: shown });
    else output.print(terminalReport(report, (style, text) => output.style(style, text)));
    writeReportFiles(options, report);
    relay.interrupted.throwIfAborted();
    return report.ok ? exitCodes.ok : exitCodes.no;
  } finally {
    relay.close();
  }
}

async function targetOf(options: ConformanceOptions, output: Output, planned: ReturnType<typeof conformanceCases>) {
  if (options.harness !== undefined) {
    return { target: { harness: options.harness } satisfies SuiteTarget, shown: options.harness, count: planned.length };
  }
  const config = await resolveStore(options, output);
  // A store that cannot be reached is not one that fails all cases.
  const expiry = await withManager(config, async ({ capabilities }) => capabilities.expiry);
  const { url, config: file } = options;
  const store = { ...(url === undefined ? {} : { url }), ...(file === undefined ? {} : { config: file }) };
  const faults = new Set<string>([...storeFaults(expiry), ...Object.keys(storeInapplicable(expiry))]);
  const count = planned.filter((one) => one.faults.every((fault) => faults.has(fault))).length;
  return { target: { store, expiry } satisfies SuiteTarget, shown: redactUrl(config.url), count };
}

/** The child has said why on stderr. */
function unstarted(error: unknown): never {
  throw usageError(error instanceof Error ? error.message : String(error));
}

/** What a backend prints is no part of the report. */
function start(target: SuiteTarget) {
  const child = fork(suiteProcess, { stdio: ['ignore', process.stderr, process.stderr, 'ipc'], execArgv: [] });
  child.send(target, () => {});
  return child;
}

async function expectedOf(path: string | undefined): Promise<ReadonlySet<string>> {
  if (path === undefined) return new Set();
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw usageError(`--expect ${quoted(path)} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
  return inWords(() =>
    parseExpectedFailures(
      text,
      conformanceCases().map(({ id }) => id),
    ),
  );
}

function inWords<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) throw usageError(error.message);
    throw error;
  }
}

/** Nobody is to run this on a server in production by a slip of the shell's history. */
function announcement(count: number, url: string, concurrency: number): string {
  return (
    `${count} cases will take and free locks on ${url}, ${concurrency} at a time with a few connections each. ` +
    'Their names are random, nothing is flushed, no other key is touched; the server is kept busy meanwhile.'
  );
}

/** No text of the report shows what a URL hides, or what a terminal would act on. */
function withoutSecrets(report: ConformanceReport, output: Output): ConformanceReport {
  const clean = (text: string): string =>
    output
      .scrub(text)
      .split('\n')
      .map((line) => printable(line))
      .join('\n');
  const cases = report.cases.map((result) => ({
    ...result,
    ...(result.error === undefined ? {} : { error: clean(result.error) }),
    ...(result.history === undefined ? {} : { history: result.history.map(clean) }),
  }));
  const versions = Object.fromEntries(Object.entries(report.versions).map(([what, version]) => [clean(what), clean(version)]));
  return { ...report, cases, versions, strays: report.strays.map(clean) };
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

  add({ ok, id, status }: CaseResult): void {
    if (status === 'not-run') return;
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
