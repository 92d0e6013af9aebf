import type { Command, Option } from 'commander';

/** One option, as shells complete it and the manual shows it. */
export interface ShellOption {
  readonly short: string | null;
  readonly long: string;
  readonly text: string;
  /** How its value is called; null where it takes none. */
  readonly value: string | null;
  readonly choices: readonly string[];
  readonly isFile: boolean;
}

export interface ShellCommand {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly usage: string;
  readonly options: readonly ShellOption[];
  readonly arguments: readonly {
    readonly name: string;
    readonly text: string;
    readonly choices: readonly string[];
    readonly isFile: boolean;
  }[];
  /** Whether another command stands behind `--`. */
  readonly runsCommand: boolean;
}

export interface ShellTree {
  readonly description: string;
  readonly options: readonly ShellOption[];
  readonly commands: readonly ShellCommand[];
}

const FILES = /file|directory|module/;

/** All that people can type, read off the program itself, so that nothing is written twice. */
export function treeOf(program: Command): ShellTree {
  return {
    description: program.description(),
    options: [...program.options.map(optionOf), HELP],
    commands: program.commands.map((command) => ({
      name: command.name(),
      summary: command.summary(),
      description: command.description(),
      usage: command.usage(),
      options: [...command.options.map(optionOf), HELP],
      arguments: command.registeredArguments.map((argument) => ({
        name: argument.name(),
        text: argument.description,
        choices: argument.argChoices ?? [],
        isFile: FILES.test(argument.name()),
      })),
      runsCommand: command.usage().includes(' -- '),
    })),
  };
}

const HELP: ShellOption = { short: '-h', long: '--help', text: 'print help', value: null, choices: [], isFile: false };

function optionOf({ short, long, description, flags, argChoices, required, optional }: Option): ShellOption {
  const value = required || optional ? (/[<[]([^>\]]+)/.exec(flags)?.[1] ?? 'value').replace('...', '') : null;
  return {
    short: short ?? null,
    long: long ?? '',
    text: description,
    value,
    choices: argChoices ?? [],
    isFile: value !== null && FILES.test(value),
  };
}
