import { parseArgs } from 'node:util';
import { libraries } from './libraries/index.js';
import { type ScenarioId, scenarioIds } from './library.js';
import { type Backend, backends } from './store.js';

/** What a run was asked for. */
export interface BenchOptions {
  readonly backend: readonly Backend[];
  /** Empty: all. */
  readonly only: readonly ScenarioId[];
  /** Ids; empty: all. The floor always takes part. */
  readonly library: readonly string[];
  readonly rounds: number | undefined;
  readonly quick: boolean;
  readonly json: string | undefined;
  readonly results: string | undefined;
}

/** The text of --help. */
export const usage = `Measures Holdfast beside the libraries that people use today, on real servers.

  pnpm bench [options]

  --backend STORE   measure on this one instead of Redis; may be given several times, or all
                    (${backends.join(', ')})
  --only SCENARIO   measure only this one; may be given several times
                    (${scenarioIds.join(', ')})
  --library ID      measure only this one beside the floor; may be given several times
  --rounds N        so many rounds of each scenario, instead of each one's own number
  --quick           shorter and fewer rounds: does it run, not how fast is it
  --json FILE       write the figures to FILE as rows
                    { scenario, library, backend, value, unit, higherIsBetter, ratioToFloor }
  --results FILE    write all that is known to FILE: the machine, the figures with their spread, the targets.
                    For bench:compare and bench:page
  --help            this text

The servers: HOLDFAST_TEST_REDIS_URL, HOLDFAST_TEST_POSTGRES_URL, HOLDFAST_TEST_ZOOKEEPER_URL, else what is started for the run.
Exit code: 0 when every result was right, 1 when one was wrong, 2 for a wrong option. A missed target is no failure.`;

/** @returns the options, 'help', or what is wrong with the arguments */
export function parseBenchOptions(args: readonly string[]): BenchOptions | string {
  try {
    const { values } = parseArgs({
      // pnpm hands a literal -- on.
      args: args.filter((arg) => arg !== '--'),
      options: {
        backend: { type: 'string', multiple: true, default: ['redis'] },
        only: { type: 'string', multiple: true, default: [] },
        library: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        json: { type: 'string' },
        results: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return 'help';
    const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
    if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))
      return `--rounds is ${values.rounds}; it must be an integer from 1`;
    return {
      backend: values.backend.includes('all') ? backends : values.backend.map(backendId),
      only: values.only.map(scenarioId),
      library: values.library.map(libraryId),
      rounds,
      quick: values.quick,
      json: values.json,
      results: values.results,
    };
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\nTry --help.`;
  }
}

function backendId(given: string): Backend {
  const id = backends.find((known) => known === given);
  if (id === undefined) throw new Error(`--backend is ${JSON.stringify(given)}; it must be one of ${backends.join(', ')}, all`);
  return id;
}

function scenarioId(given: string): ScenarioId {
  const id = scenarioIds.find((known) => known === given);
  if (id === undefined) throw new Error(`--only is ${JSON.stringify(given)}; it must be one of ${scenarioIds.join(', ')}`);
  return id;
}

function libraryId(given: string): string {
  const known = [...new Set(libraries.filter(({ role }) => role !== 'floor').map(({ id }) => id))];
  if (!known.includes(given)) throw new Error(`--library is ${JSON.stringify(given)}; it must be one of ${known.join(', ')}`);
  return given;
}
