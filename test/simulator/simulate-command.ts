import { parseArgs } from 'node:util';

/** What a simulator of any store is asked, and which stores there are. */
export function usageOf(stores: readonly string[]): string {
  return `Runs whole managers, or Redlock's protocol, over a simulated store and network, and checks every grant.

  pnpm simulate [options]

  --store STORE     ${stores.join(', ')}; default: ${stores[0]}
  --seeds N         so many scenarios, one behind the other; default: 10000
  --from SEED       the first of them; default: 1
  --seed SEED       replay one: print its history, made as small as it can be where it breaks a rule.
                    Redlock says only whether it does
  --mutant ID       break the store, or the manager, in this way; an unknown ID lists them

  Not for redlock:
  --whole           with --seed: the history as it is, not made small
  --mutants         look for a seed in which each mutant breaks its rule, among so many as --seeds says
  --expires yes|no  only networks whose requests do, or do not, expire

  --help            this text

A seed that breaks a rule is printed with the command that replays it.
Exit code: 0 when no rule was broken, and every mutant was caught; 1 when one was, or was not; 2 for a wrong option.`;
}

/** What is to be simulated, and with which options of that store's simulator. */
export interface SimulateCommand {
  readonly store: string;
  readonly options: readonly string[];
}

/** @param stores the first is the default @returns the command, 'help', or `wrong`: what is wrong with the arguments */
export function readSimulateCommand(
  given: readonly string[],
  stores: readonly string[],
): SimulateCommand | 'help' | { readonly wrong: string } {
  try {
    const { values, tokens } = parseArgs({
      // pnpm hands a literal -- on.
      args: given.filter((argument) => argument !== '--'),
      options: {
        store: { type: 'string', default: stores[0] ?? '' },
        seeds: { type: 'string' },
        from: { type: 'string' },
        seed: { type: 'string' },
        mutant: { type: 'string' },
        expires: { type: 'string' },
        whole: { type: 'boolean' },
        mutants: { type: 'boolean' },
        help: { type: 'boolean', default: false },
      },
      tokens: true,
    });
    if (values.help) return 'help';
    if (!stores.includes(values.store)) return { wrong: `--store is ${JSON.stringify(values.store)}; known are ${stores.join(', ')}` };
    for (const name of ['seeds', 'from', 'seed'] as const) {
      const value = values[name];
      if (value !== undefined && !/^[1-9]\d{0,15}$/.test(value))
        return { wrong: `--${name} is ${JSON.stringify(value)}; it must be an integer from 1` };
    }
    const options = tokens.flatMap((token) =>
      token.kind !== 'option' || token.name === 'store' ? [] : [token.rawName, ...(token.value === undefined ? [] : [token.value])],
    );
    return { store: values.store, options };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
}
