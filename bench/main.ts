import { writeFile } from 'node:fs/promises';
import process from 'node:process';
import { type BenchOptions, parseBenchOptions, usage } from './bench-options.js';
import { libraries } from './libraries/index.js';
import type { Library } from './library.js';
import { head, type Row, rowsOf, tableOf } from './report.js';
import { ResultsBuilder, textOf } from './results.js';
import { runScenario } from './run-scenario.js';
import { scenarios } from './scenarios/index.js';
import { type Scenario, takesPart } from './scenario.js';
import type { Store } from './store.js';
import { startStore } from './stores/index.js';

process.exitCode = await main(process.argv.slice(2));

/** @returns 0 when every result was right, met targets or not; 1 when one was wrong; 2 for a wrong option */
async function main(args: readonly string[]): Promise<number> {
  const options = parseBenchOptions(args);
  if (options === 'help') {
    console.log(usage);
    return 0;
  }
  if (typeof options === 'string') {
    console.error(options);
    return 2;
  }
  const chosen = libraries.filter(({ id, role }) => role === 'floor' || options.library.length === 0 || options.library.includes(id));
  const rows: Row[] = [];
  const results = new ResultsBuilder(options.quick);
  let isWrong = false;
  for (const backend of options.backend) {
    const store = await startStore(backend);
    try {
      results.addStore(store);
      console.log(`${rows.length === 0 ? '' : '\n'}${head(store)}`);
      for (const scenario of scenarios.filter((each) => isMeasured(each, chosen, store, options))) {
        const figures = await runScenario(scenario, chosen, store, { ...options, onProgress: showProgress });
        showProgress('');
        console.log(`\n${tableOf(figures)}`);
        rows.push(...rowsOf(figures));
        results.add(figures);
        isWrong ||= figures.libraries.some((library) => figures.faultsOf(library).length > 0);
      }
    } finally {
      await store.close();
    }
  }
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(rows, null, 2)}\n`);
  if (options.results !== undefined) await writeFile(options.results, textOf(results.build()));
  return isWrong ? 1 : 0;
}

/** Scenarios that no library of the store takes part in are left out. */
function isMeasured(scenario: Scenario, chosen: readonly Library[], { backend }: Store, { only }: BenchOptions): boolean {
  return (
    (only.length === 0 || only.includes(scenario.id)) &&
    chosen.some((library) => library.backend === backend && takesPart(library, scenario))
  );
}

/** One line that is written over, for a person; a file or a pipe gets the tables only. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
