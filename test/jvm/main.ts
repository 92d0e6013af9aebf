import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, exit, hrtime } from 'node:process';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { judge } from '../faults/verdict.js';
import { compileJava } from './maven.js';
import { MoveFleet } from './move-fleet.js';
import { isSystem, type Move, moves, type Stores, type System } from './moves.js';
import { openStores, startMembers } from './stores.js';

// pnpm test:jvm [SYSTEM ...]: the moves of the guides, with processes of the JVM that use the real libraries and Node processes side by side.

const NAMES = ['nightly', 'invoices', 'mail'];
/** So many moves at a time: a JVM that starts uses one core, and much of a move is waiting. */
const LANES = 2;

const USAGE = `The moves of the guides: JVM processes with the libraries that they are moved from, beside Node processes, on real servers.

  pnpm test:jvm [options] [MOVE ...]

  MOVE      only this move; may be given several times. Known are
            ${Object.keys(moves).join('\n            ')}
  --help    this text

Needs Java 17 and Maven. HOLDFAST_OFFLINE=1 says that Maven's repository is out of reach: then no move is tried.
Exit code: 0 when every move passed, 1 when one did not, 2 for a wrong argument.`;

/** @returns the moves that are asked for, 'help', or `wrong`: what is wrong with the arguments */
function movesOf(args: readonly string[]): readonly System[] | 'help' | { readonly wrong: string } {
  try {
    const options = { help: { type: 'boolean', default: false } } as const;
    // pnpm hands a literal -- on.
    const { values, positionals } = parseArgs({ args: args.filter((arg) => arg !== '--'), options, allowPositionals: true });
    if (values.help) return 'help';
    const unknown = positionals.filter((name) => !isSystem(name));
    if (unknown.length > 0) return { wrong: `unknown: ${unknown.join(', ')}; known are ${Object.keys(moves).join(', ')}` };
    return (positionals.length === 0 ? Object.keys(moves) : positionals).filter(isSystem);
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
}

async function main(args: readonly string[]): Promise<number> {
  const systems = movesOf(args);
  if (systems === 'help') {
    console.log(USAGE);
    return 0;
  }
  if ('wrong' in systems) {
    console.error(`${systems.wrong}\nTry --help.`);
    return 2;
  }
  const classPath = await compileJava();
  if (classPath === null) {
    console.log('Maven cannot reach its repository, and HOLDFAST_OFFLINE=1 says that this is known: no move was tried');
    return 0;
  }
  const { stores, close } = await openStores(classPath);
  let failed = 0;
  try {
    const waiting = [...systems];
    const lane = async (): Promise<void> => {
      for (let system = waiting.shift(); system !== undefined; system = waiting.shift()) {
        const wrong = await tryMove(system, classPath, stores);
        if (wrong.length > 0) failed += 1;
        console.log(`${wrong.length === 0 ? 'passed' : 'FAILED'}: ${moves[system].title}`);
        for (const what of wrong) console.error(what);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  } finally {
    await close();
  }
  console.log(`${systems.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** @returns what went wrong, a text each */
async function tryMove(system: System, classPath: string, shared: Stores): Promise<readonly string[]> {
  const { members = 1 }: Move = moves[system];
  if (members === 1) return await runMove(system, classPath, shared);
  const own = await startMembers(classPath, members);
  try {
    return await runMove(system, classPath, { ...shared, hazelcastPorts: own.ports });
  } finally {
    await own.close();
  }
}

async function runMove(system: System, classPath: string, stores: Stores): Promise<readonly string[]> {
  const move: Move = moves[system];
  const names = NAMES.map((name) => `${system}-${name}`);
  const { schema } = move;
  if (schema !== undefined) await createTable(stores.postgresUrl, typeof schema === 'string' ? schema : schema(names));
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-move-'));
  const startNs = hrtime.bigint();
  const fleet = new MoveFleet({ classPath, system, stores, directory, startNs, names });
  try {
    for (const stage of [...move.stages, { jvm: 0, node: [] }]) {
      if (stage.jvm + stage.node.length > 0) console.log(`${system}: ${stage.jvm} on the JVM, Node ${stage.node.join(', ') || 'none'}`);
      await fleet.enter(stage);
    }
    const { violations, holds } = judge(await fleet.history());
    console.log(`${system}: ${holds.length} grants in ${Math.round(Number(hrtime.bigint() - startNs) / 1e9)} s`);
    return [...fleet.wrong, ...violations];
  } catch (error) {
    return [...fleet.wrong, error instanceof Error ? error.message : String(error)];
  } finally {
    await fleet.close();
    await rm(directory, { recursive: true });
  }
}

async function createTable(connectionString: string, schema: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query(schema);
  await client.end();
}

exit(await main(argv.slice(2)));
