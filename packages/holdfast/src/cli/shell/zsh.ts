import type { ShellCommand, ShellOption, ShellTree } from './command-tree.js';

/** A file `_holdfast` of zsh's fpath; it may be sourced too. */
export function zshCompletion({ options, commands }: ShellTree): string {
  return `#compdef holdfast
# holdfast completion for zsh: save it as _holdfast in a folder of fpath
_holdfast() {
  local context state state_descr line
  typeset -A opt_args
  _arguments -C ${[...options.map(optionSpec), "'1: :->command'", "'*:: :->arguments'"].join(' ')}
  case $state in
    command)
      local -a commands
      commands=(
${commands.map(({ name, summary }) => `        ${quote(`${name}:${summary}`)}`).join('\n')}
      )
      _describe command commands
      ;;
    arguments)
      case $words[1] in
${commands.map((command) => `        ${command.name}) ${completed(command, options)} ;;`).join('\n')}
      esac
      ;;
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _holdfast "$@"
else
  compdef _holdfast holdfast
fi
`;
}

/** What stands behind `--` is a command of its own. */
function completed(command: ShellCommand, ofAll: readonly ShellOption[]): string {
  const own = `_arguments ${specs(command, ofAll).join(' ')}`;
  return command.runsCommand ? `if compset -N --; then _normal; else ${own}; fi` : own;
}

// Of anybody's text nothing is offered: with a message in its place zsh would insert no option there.
function specs({ options, arguments: args, runsCommand }: ShellCommand, ofAll: readonly ShellOption[]): readonly string[] {
  const own = [...options, ...ofAll.filter(({ long }) => !options.some((option) => option.long === long))];
  return [
    ...own.map(optionSpec),
    ...args
      .slice(0, runsCommand ? 1 : args.length)
      .map(({ name, choices, isFile }, index) => quote(`${index + 1}:${escapeText(name)}:${action(choices, isFile) || '()'}`)),
  ];
}

function optionSpec({ short, long, text, value, choices, isFile }: ShellOption): string {
  const rest = `[${escapeText(text)}]${value === null ? '' : `:${escapeText(value)}:${action(choices, isFile)}`}`;
  return short === null ? quote(`${long}${rest}`) : `'(${short} ${long})'{${short},${long}}${quote(rest)}`;
}

function action(choices: readonly string[], isFile: boolean): string {
  if (choices.length > 0) return `(${choices.join(' ')})`;
  return isFile ? '_files' : '';
}

function escapeText(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
