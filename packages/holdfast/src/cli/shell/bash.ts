import type { ShellOption, ShellTree } from './command-tree.js';

/** For bash 4 and later, with or without bash-completion. */
export function bashCompletion({ options, commands }: ShellTree): string {
  const valued = (list: readonly ShellOption[]): string =>
    list
      .filter(({ value }) => value !== null)
      .flatMap(namesOf)
      .join('|');
  return `# holdfast completion for bash: source <(holdfast completion bash)
_holdfast() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      --)
        # What stands behind is a command of its own.
        if declare -F _command_offset >/dev/null; then
          _command_offset $((i + 1))
        else
          COMPREPLY=($(compgen -c -- "$cur"))
        fi
        return
        ;;
      ${valued(options)}) ((i++)) ;;
      ${commands.map(({ name }) => name).join('|')}) [[ -n $command ]] || command=\${COMP_WORDS[i]} ;;
    esac
  done
  case $command:$prev in
${[{ name: '', options }, ...commands].flatMap(({ name, options: own }) => valuesOf(name, own, options)).join('\n')}
  esac
  case $command in
    '') COMPREPLY=($(compgen -W '${[...commands.map(({ name }) => name), ...options.flatMap(namesOf)].join(' ')}' -- "$cur")) ;;
${commands
  .map(({ name, options: own, arguments: [argument], runsCommand }) => {
    const words = [...(argument?.choices ?? []), ...own.flatMap(namesOf), ...options.flatMap(namesOf), ...(runsCommand ? ['--'] : [])];
    const files = argument?.isFile ? ' -f' : '';
    return `    ${name}) COMPREPLY=($(compgen${files} -W '${[...new Set(words)].join(' ')}' -- "$cur")) ;;`;
  })
  .join('\n')}
  esac
}
complete -F _holdfast holdfast
`;
}

/** What may follow an option that takes a value; nothing where that is anybody's text. */
function valuesOf(command: string, own: readonly ShellOption[], ofAll: readonly ShellOption[]): readonly string[] {
  const list = command === '' ? own : [...own, ...ofAll.filter(({ long }) => !own.some((option) => option.long === long))];
  return list
    .filter(({ value }) => value !== null)
    .map((option) => {
      const patterns = namesOf(option)
        .map((name) => `${command}:${name}`)
        .join('|');
      if (option.isFile) return `    ${patterns}) COMPREPLY=($(compgen -f -- "$cur")); return ;;`;
      if (option.choices.length > 0) return `    ${patterns}) COMPREPLY=($(compgen -W '${option.choices.join(' ')}' -- "$cur")); return ;;`;
      return `    ${patterns}) return ;;`;
    });
}

function namesOf({ short, long }: ShellOption): readonly string[] {
  return short === null ? [long] : [short, long];
}
