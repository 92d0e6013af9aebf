import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration, parsePositiveDuration, parseWait } from './duration.js';
import { parseName } from './name-text.js';
import { parsePermits } from './wanted.js';
import { kinds } from '../view/of-kind.js';
import { sortKeys } from '../view/order.js';

/** What is run, for `run`, `once` and `lead`. */
export function withCommand(command: Command, what = '<command...>'): Command {
  return command
    .argument('<name>', 'any text, the same wherever others are to be kept out', parseName)
    .argument(what, 'the command and its arguments, after --')
    .usage('<name> [options] -- <command> [arguments]');
}

/** What is taken of the name, for how long it is waited for, and what happens when somebody else has it. */
export function withTakeOptions(command: Command): Command {
  return command
    .addOption(new Option('-w, --wait <time>', 'wait for the lock: 30s, 5m, forever').argParser(parseWait).default(0, '0s'))
    .addOption(
      new Option('--permits <n/limit>', 'instead of a lock, take n permits of limit').argParser(parsePermits).conflicts(['read', 'write']),
    )
    .addOption(new Option('--read', 'take the side of readers of a read/write lock').conflicts(['permits', 'write']))
    .addOption(new Option('--write', 'take the side of the one writer of a read/write lock').conflicts(['permits', 'read']))
    .option('--busy-ok', 'end with 0 and say nothing when somebody else has the lock')
    .addOption(
      new Option('--busy-code <code>', 'end with it instead of 75 when somebody else has the lock')
        .argParser(parseInteger(0, 255))
        .conflicts('busyOk'),
    )
    .option('-v, --verbose', 'say on stderr what becomes of the lock');
}

export function withTtl(command: Command, text = 'how long the store keeps the lock when holdfast dies (default: 30s)'): Command {
  return command.option('-t, --ttl <time>', text, parsePositiveDuration);
}

export function withLabel(command: Command): Command {
  return command.option('--label <text>', 'who holds the lock, for people (default: host:pid)');
}

/** How it is run. */
export function withLeaseOptions(command: Command, { maxHold = true } = {}): Command {
  withTtl(command);
  if (maxHold) command.option('--max-hold <time>', 'the longest the command may take before it is ended', parsePositiveDuration);
  return withLabel(command)
    .addOption(new Option('--grace <time>', 'from SIGTERM to SIGKILL, when it must end').argParser(parseDuration).default(10_000, '10s'))
    .option('--foreground', "keep the command in the terminal's foreground, for prompts and editors");
}

export function kindOption(): Option {
  return new Option('--kind <kind>', 'what is meant by the name').choices(kinds).default('lock');
}

/** Which kinds are shown. */
export function onlyKindOption(): Option {
  return new Option('--kind <kind>', 'only this kind').choices(kinds);
}

export function sortOption(usual: string): Option {
  return new Option('--sort <column>', 'what comes first: times and numbers from the largest').choices(sortKeys).default(usual);
}

export function parseInteger(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (text.trim() === '' || !Number.isInteger(number) || number < min || number > max) {
      throw new InvalidArgumentError(`It must be an integer from ${min} to ${max}.`);
    }
    return number;
  };
}
