import type { ShellOption, ShellTree } from './command-tree.js';

/** A file of fish's completions. */
export function fishCompletion({ options, commands }: ShellTree): string {
  // The first word that is neither an option nor the value of one is the command; fish's own helpers take any word for it.
  const valued = options.filter(({ value }) => value !== null).flatMap(({ short, long }) => (short === null ? [long] : [short, long]));
  const running = commands.filter(({ runsCommand }) => runsCommand).map(({ name }) => name);
  return `# holdfast completion for fish: holdfast completion fish > ~/.config/fish/completions/holdfast.fish
function __holdfast_behind_dashes
    contains -- -- (commandline -opc)
end
function __holdfast_command
    set -l words (commandline -opc)
    set -l value 0
    for word in $words[2..-1]
        if test $value = 1
            set value 0
            continue
        end
        switch $word
            case ${valued.join(' ')}
                set value 1
            case '-*'
            case '*'
                echo $word
                return 0
        end
    end
    return 1
end
function __holdfast_is
    contains -- (__holdfast_command; or echo -) $argv; and not __holdfast_behind_dashes
end
complete -c holdfast -f
complete -c holdfast -n 'contains -- (__holdfast_command; or echo -) ${running.join(' ')}; and __holdfast_behind_dashes' -a '(__fish_complete_command)' -F
${options.map((option) => line('not __holdfast_behind_dashes', option)).join('\n')}
${commands.map(({ name, summary }) => `complete -c holdfast -n 'not __holdfast_command' -a ${name} -d ${quote(summary)}`).join('\n')}
${commands
  .flatMap(({ name, options: own, arguments: [argument] }) => {
    const when = `__holdfast_is ${name}`;
    const words = argument?.choices ?? [];
    return [
      ...own.filter(({ long }) => long !== '--help').map((option) => line(when, option)),
      ...(words.length > 0 ? [`complete -c holdfast -n ${quote(when)} -a ${quote(words.join(' '))}`] : []),
      ...(argument?.isFile ? [`complete -c holdfast -n ${quote(when)} -F`] : []),
    ];
  })
  .join('\n')}
`;
}

function line(when: string, { short, long, text, value, choices, isFile }: ShellOption): string {
  const names = `-l ${long.slice(2)}${short === null ? '' : ` -s ${short.slice(1)}`}`;
  const takes = value === null ? '' : isFile ? ' -r -F' : choices.length > 0 ? ` -x -a ${quote(choices.join(' '))}` : ' -x';
  return `complete -c holdfast -n ${quote(when)} ${names}${takes} -d ${quote(text)}`;
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
