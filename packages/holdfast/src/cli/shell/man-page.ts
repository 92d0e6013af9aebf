import type { Command } from 'commander';
import { type ShellCommand, type ShellOption, treeOf } from './command-tree.js';

/** The manual page holdfast(1), in the language of man. @param behind what stands behind the options of a command @param end what ends the page */
export function manPage(program: Command, behind: Readonly<Record<string, string>>, end: string): string {
  const { description, options, commands } = treeOf(program);
  return [
    '.TH HOLDFAST 1 "" "Holdfast" "User Commands"',
    '.SH NAME',
    'holdfast \\- distributed locks from the shell',
    '.SH SYNOPSIS',
    '.B holdfast',
    '.RI [ options ]',
    '.I command',
    '.RI [ arguments ]',
    '.SH DESCRIPTION',
    ...paragraphs(description),
    '.SH OPTIONS',
    ...options.flatMap(describeOption),
    '.SH COMMANDS',
    ...commands.flatMap((command) => describeCommand(command, behind[command.name])),
    '.SH NOTES',
    ...literal(end),
  ].join('\n');
}

function describeCommand(
  { name, usage, description, options, arguments: args }: ShellCommand,
  behind: string | undefined,
): readonly string[] {
  return [
    `.SS holdfast ${escape(name)} ${escape(usage)}`,
    ...paragraphs(description),
    ...args.filter(({ text }) => text !== '').flatMap(({ name: argument, text }) => ['.TP', `.I ${escape(argument)}`, escapeLine(text)]),
    ...options.filter(({ long }) => long !== '--help').flatMap(describeOption),
    ...(behind === undefined ? [] : literal(behind)),
  ];
}

function describeOption({ short, long, value, text, choices }: ShellOption): readonly string[] {
  const names = [short, long].filter((name) => name !== null).map((name) => `\\fB${escape(name)}\\fR`);
  const shown = value === null ? '' : ` \\fI${escape(value)}\\fR`;
  const oneOf = choices.length === 0 ? '' : ` (one of: ${choices.join(', ')})`;
  return ['.TP', `${names.join(', ')}${shown}`, escapeLine(`${text}${oneOf}`)];
}

/** Text that is filled; lines that are set apart stay as they are. */
function paragraphs(text: string): readonly string[] {
  return text.split('\n\n').flatMap((part) => (part.startsWith('  ') ? literal(part) : ['.PP', ...part.split('\n').map(escapeLine)]));
}

function literal(text: string): readonly string[] {
  return ['.PP', '.nf', ...text.trim().split('\n').map(escapeLine), '.fi'];
}

/** A line that begins with a dot or a quote would be a request. */
function escapeLine(line: string): string {
  return escape(line).replace(/^(?=[.'])/, '\\&');
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-');
}
