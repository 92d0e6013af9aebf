import { readFileSync } from 'node:fs';
import { Argument, Command, Option } from 'commander';
import type { ConformanceOptions } from './commands/conformance.js';
import { doctor } from './commands/doctor.js';
import { health } from './commands/health.js';
import { hold } from './commands/hold.js';
import { forceRelease, inspect, release } from './commands/inspection.js';
import { initNodes } from './commands/init-nodes.js';
import { lead } from './commands/lead.js';
import { leader } from './commands/leader.js';
import { acquire, free, renew } from './commands/leases.js';
import { list } from './commands/list.js';
import { newBackend } from './commands/new-backend.js';
import { once } from './commands/once.js';
import { run } from './commands/run.js';
import type { SchemaOptions } from './commands/schema.js';
import { serve } from './commands/serve.js';
import { top } from './commands/top.js';
import { parseDuration, parseInterval, parsePositiveDuration, parseRetention, parseTimeZone, parseWindow } from './duration.js';
import { exitCodes } from './exit-codes.js';
import * as help from './help-texts.js';
import { parseName, parseNames } from './name-text.js';
import type { StoreOptions } from './open-store.js';
import type { Output } from './output.js';
import {
  kindOption,
  onlyKindOption,
  parseInteger,
  sortOption,
  withCommand,
  withLabel,
  withLeaseOptions,
  withTakeOptions,
  withTtl,
} from './program-options.js';
import { completion, shells } from './shell/completion.js';
import { manPage } from './shell/man-page.js';

/** The caller decides how the program ends. */
type Finish = (exitCode: number) => void;

/** The whole command line. Each command's work stands in a file of its own; here is only what people type. */
export function createProgram(output: Output, finish: Finish): Command {
  const program = new Command('holdfast')
    .description('Distributed locks from the shell: run a command under a lock, see who holds what, look after the store.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .option('--url <url>', 'the store, such as redis://localhost:6379')
    .option('--config <file>', 'the configuration file, instead of the nearest one')
    .option('--no-config', 'read no configuration file')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .addHelpText('after', help.program);
  const common = (): StoreOptions => program.opts<StoreOptions>();
  /** Commander hands over the arguments, the options and the command. */
  const doing =
    <A extends readonly unknown[], O extends object>(work: (...args: [...A, O, Output]) => Promise<number>) =>
    async (...given: readonly [...A, O, Command]): Promise<void> => {
      const args = given.slice(0, -2) as unknown as A;
      finish(await work(...args, { ...common(), ...(given.at(-2) as O) }, output));
    };

  withLeaseOptions(withTakeOptions(withCommand(program.command('run'))))
    .summary('run a command under a lock')
    .description(help.runDescription)
    .option('--report <file>', 'write as JSON how long it waited, its token, and how it ended')
    .addHelpText('after', help.run)
    .action(doing(run));

  withLeaseOptions(
    withCommand(program.command('once'), '[command...]')
      .summary('run a command once a window, over all servers')
      .description(help.onceDescription)
      .addOption(
        new Option('--window <time>', 'after a run has begun, none begins for so long; or hour, day, week, month').argParser(parseWindow),
      )
      .option('--time-zone <name>', 'whose hour, day, week or month, such as Europe/Berlin', parseTimeZone)
      .option('--status', 'run nothing; say whether it is due: 0 due, 1 not due, 75 it runs now')
      .option('--reset', 'run nothing; forget that it has run: 0 forgotten, 1 there was nothing')
      .option('--retry-after <time>', 'after a run that failed, none begins for so long (default: 0s)', parseRetention)
      .option('--at-most-once', 'a run that fails, or whose server dies, counts too; see below which stores forget')
      .addOption(new Option('--skip-code <code>', 'end with it when nothing was run').argParser(parseInteger(0, 255)).default(0)),
  )
    .addHelpText('after', help.once)
    .action(doing(once));

  withLeaseOptions(withCommand(program.command('lead')), { maxHold: false })
    .summary('run a command while leading')
    .description(help.leadDescription)
    .option('--step-down <time>', 'end it so long before the lease does, when it cannot be renewed (default: a third)', parseDuration)
    .option('--retry <time>', 'the pause before it campaigns once more (default: 2s)', parsePositiveDuration)
    .option('--restart', 'campaign once more when the command has ended by itself')
    .option('--exit-on-loss', 'end with 79 when the lead is lost, instead of campaigning once more')
    .addHelpText('after', help.lead)
    .action(doing(lead));

  program
    .command('leader')
    .argument('<name>', 'the election', parseName)
    .summary('say who leads')
    .description('Says who leads an election, and in which term. Ends with 0 when somebody does, with 1 when nobody was seen to.')
    .option('--json', 'print JSON')
    .action(doing(leader));

  withTakeOptions(withLabel(withTtl(program.command('hold'))))
    .argument('<name>', 'any text, the same wherever others are to be kept out', parseName)
    .summary('hold a lock until a signal, or for a time')
    .description(help.holdDescription)
    .option('--for <time>', 'give it back after this time (default: not before a signal)', parsePositiveDuration)
    .option('--json', 'print JSON')
    .action(doing(hold));

  withTakeOptions(withLabel(withTtl(program.command('acquire'), 'for how long it is taken, unless it is renewed (default: 30s)')))
    .argument('<name>', 'any text, the same wherever others are to be kept out', parseName)
    .summary('take a lock for the steps of a script')
    .description(help.acquireDescription)
    .option('--json', 'print JSON')
    .addHelpText('after', help.acquire)
    .action(doing(acquire));

  withTtl(program.command('renew'), 'for how long from now on (default: as it was acquired)')
    .argument('[lease]', 'what acquire has printed; - reads it from stdin (default: HOLDFAST_LEASE)')
    .summary('keep what acquire took')
    .description(help.renewDescription)
    .option('--json', 'print JSON')
    .action(doing(renew));

  program
    .command('free')
    .argument('[lease]', 'what acquire has printed; - reads it from stdin (default: HOLDFAST_LEASE)')
    .summary('give back what acquire took')
    .description(help.freeDescription)
    .option('--json', 'print JSON')
    .action(doing(free));

  program
    .command('ls')
    .argument('[prefix]', 'only names that begin with it', parseName)
    .summary('list what is held')
    .description('Lists the locks, semaphores and read/write locks that are held now, by whom, and for how long.')
    .addOption(onlyKindOption())
    .addOption(sortOption('name'))
    .option('--reverse', 'the other way round')
    .addOption(new Option('--watch [time]', 'look again and again, after so long').argParser(parseInterval).preset('1s'))
    .option('--marks', 'list what is noted as done instead: by once, and by jobs')
    .option('--json', 'print JSON')
    .action(doing(list));

  program
    .command('top')
    .argument('[prefix]', 'only names that begin with it', parseName)
    .summary('watch what is held')
    .description(help.topDescription)
    .addOption(onlyKindOption())
    .addOption(sortOption('held'))
    .addOption(new Option('--every <time>', 'look so often').argParser(parseInterval).default(1_000, '1s'))
    .option('--name <name...>', 'names to look at besides, held or not; needed where the store cannot list', parseNames)
    .addHelpText('after', help.top)
    .action(doing(top));

  program
    .command('serve')
    .argument('[prefix]', 'only names that begin with it', parseName)
    .summary('show what is held as a page')
    .description(help.serveDescription)
    .addOption(new Option('--port <n>', 'where it listens; 0: any free port').argParser(parseInteger(0, 65_535)).default(7_080))
    .option('--host <address>', 'where it listens; beside this machine only with --allow-host', '127.0.0.1')
    .option('--allow-host <name...>', 'by which host names browsers may ask for it, beside localhost')
    .option('--allow-release', 'locks may be taken away from their holders by it')
    .addOption(new Option('--every <time>', 'look so often').argParser(parseInterval).default(1_000, '1s'))
    .option('--name <name...>', 'names to look at besides, held or not; needed where the store cannot list', parseNames)
    .addHelpText('after', help.serve)
    .action(doing(serve));

  program
    .command('inspect')
    .argument('<name>', 'the lock', parseName)
    .summary('show one lock')
    .description('Shows whether a lock is held, by whom, for how long, and how many wait.')
    .addOption(kindOption())
    .option('--json', 'print JSON')
    .action(doing(inspect));

  program
    .command('force-release')
    .argument('<name>', 'the lock', parseName)
    .summary('take a lock away from its holder')
    .description(help.releaseDescription)
    .addOption(kindOption())
    .option('--json', 'print JSON')
    .action(doing(forceRelease));

  program
    .command('release')
    .argument('<name>', 'the lock', parseName)
    .summary('the same as force-release, with --force')
    .description(`The older name of force-release. ${help.releaseDescription}`)
    .option('-f, --force', 'yes, take it away')
    .addOption(kindOption())
    .option('--json', 'print JSON')
    .action(doing(release));

  program
    .command('health')
    .summary('check the store')
    .description('Connects, takes a random lock and frees it. Ends with 0 when that worked, else with 69.')
    .option('--json', 'print JSON')
    .action(doing(health));

  program
    .command('doctor')
    .summary('look for what is wrong for locks')
    .description(help.doctorDescription)
    .option('--json', 'print JSON')
    .action(doing(doctor));

  program
    .command('init-nodes')
    .summary('let the nodes of a new Redlock deployment vote')
    .description(help.initNodesDescription)
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print JSON')
    .action(doing(initNodes));

  program
    .command('conformance')
    .summary('run the conformance suite on the store')
    .description(help.conformanceDescription)
    .option('-y, --yes', 'do not ask')
    .option('--only <topic or id...>', 'only these topics or cases')
    .addOption(new Option('--concurrency <n>', 'how many cases at a time').argParser(parseInteger(1, 64)).default(4))
    .addOption(new Option('--repeat <n>', 'run each case so often; one failure fails it').argParser(parseInteger(1, 10_000)).default(1))
    .option('--budget <time>', 'start no case after this time', parsePositiveDuration)
    .addOption(new Option('--seed <n>', 'run the cases in another order, the same for the same n').argParser(parseInteger(0, 2 ** 32 - 1)))
    .option('--expect <file>', 'cases that are known to fail, an id a line; one that passes is an error')
    .option('--harness <module>', 'instead of a store: a module that exports a harness')
    .option('--junit <file>', 'write a report for CI')
    .option('--html <file>', 'write a report as one page')
    .option('--json', 'print JSON')
    .addHelpText('after', help.conformance)
    .action(async (options: ConformanceOptions) => {
      // Only when it is asked for: the suite is larger than all the rest.
      const { conformance } = await import('./commands/conformance.js');
      finish(await conformance({ ...common(), ...options }, output));
    });

  program
    .command('new-backend')
    .argument('<directory>', 'where the project is to be; it must not be there, or be empty')
    .summary('begin a backend of your own')
    .description(help.newBackendDescription)
    .option('--name <name>', 'what the backend is called (default: the name of the directory)')
    .action(async (directory: string, options: { readonly name?: string }) =>
      finish(await newBackend(directory, { ...options, version: version() }, output)),
    );

  program
    .command('schema')
    .summary('print the SQL of the objects in PostgreSQL')
    .description(help.schemaDescription)
    .option('--schema <name>', 'the schema that they are in (default: holdfast)')
    .option('--role <name>', 'grant this role what an application needs')
    .action(async (options: SchemaOptions) => {
      const { schema } = await import('./commands/schema.js');
      finish(schema(options, output));
    });

  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'which shell').choices(shells))
    .summary('print completion for a shell')
    .description(help.completionDescription)
    .action((shell: (typeof shells)[number]) => {
      output.print(completion(shell, program));
      finish(exitCodes.ok);
    });

  program
    .command('man')
    .summary('print the manual page')
    .description('Prints the manual page of holdfast, for man: holdfast man | man -l -')
    .action(() => {
      output.print(manPage(program, help.behind, help.program));
      finish(exitCodes.ok);
    });

  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .configureOutput({ outputError() {} })
      .showSuggestionAfterError(true)
      .allowExcessArguments(false);
  }
  return program;
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string };
  return manifest.version;
}
