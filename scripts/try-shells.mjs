// Presses Tab in real shells, with the completion that the program prints, and reads what comes with it as their programs do: the manual page by
// man, examples/compose.yaml by docker-compose, which starts nothing. Needs a build, and Debian's bash, zsh, fish, man-db and docker-compose.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../test/dist/servers/index.js';

const root = new URL('..', import.meta.url).pathname;
const program = join(root, 'packages/holdfast/bin/holdfast.js');
const folder = mkdtempSync(join(tmpdir(), 'holdfast-shells-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

/** What is typed before Tab, and the one word that completes it. */
const LINES = [
  ['holdfast ren', 'renew'],
  ['holdfast --url redis://h ren', 'renew'],
  ['holdfast run --busy-c', '--busy-code'],
  ['holdfast run x --busy-c', '--busy-code'],
  ['holdfast run x --busy-code 3 --lab', '--label'],
  ['holdfast run x -- mkdi', 'mkdir'],
  ['holdfast run run -- env mkdi', 'mkdir'],
  ['holdfast inspect run --kind sem', 'semaphore'],
  ['holdfast inspect x --js', '--json'],
  ['holdfast completion f', 'fish'],
  [`holdfast --config ${folder}/only-o`, `${folder}/only-one`],
];
/** Instead of the program: shows what it would be given. */
const STUB = `holdfast() { printf 'GIVEN %s\\n' "$*"; }\n`;
const SHELLS = {
  bash: () => ({
    command: `bash --noprofile --rcfile ${write('bashrc', `PS1='ready> '\n${STUB}${completion('bash')}`)} -i`,
    env: {},
  }),
  zsh: () => {
    write('_holdfast', completion('zsh'));
    write('.zshrc', `PS1='ready> '\nfpath=(${folder} $fpath)\nautoload -Uz compinit\ncompinit -u -D\n${STUB}`);
    return { command: 'zsh -i', env: { ZDOTDIR: folder } };
  },
};

write('only-one', '');
const failed = [];
for (const [shell, start] of Object.entries(SHELLS)) {
  for (const [line, word] of LINES) {
    const expected = [...line.split(' ').slice(1, -1), word].join(' ');
    check(`${shell}: ${line}`, await pressTab(start(), line), expected);
  }
}
const script = write('holdfast.fish', completion('fish'));
for (const [line, word] of LINES) {
  const offered = run('fish', ['--no-config', '-c', `source ${script}; complete -C ${JSON.stringify(line)}`]).stdout;
  check(
    `fish: ${line}`,
    [
      ...new Set(
        offered
          .trim()
          .split('\n')
          .map((each) => each.split('\t')[0]),
      ),
    ].join(' '),
    word,
  );
}
const page = run('man', ['--warnings', '-l', join(root, 'packages/holdfast/man/holdfast.1')]);
check('man: no warning', page.stderr, '');
check('man: its first line', page.stdout.startsWith('HOLDFAST(1)'), true);
const compose = run('docker-compose', ['-f', join(root, 'examples/compose.yaml'), 'config', '--services']);
check(
  'docker-compose: the services',
  compose.stdout.trim().split('\n').sort().join(' '),
  'postgres redis redlock-1 redlock-2 redlock-3 zookeeper',
);
if (failed.length > 0) console.error(`failed: ${failed.join('; ')}`);
process.exit(failed.length > 0 ? 1 : 0);

/** Types the line, Tab and Enter on a terminal of its own. @returns what the program would have been given */
async function pressTab({ command, env }, line) {
  const child = spawn('script', ['-qfc', command, '/dev/null'], {
    env: { ...process.env, ...env, TERM: 'dumb' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (shown += text));
  try {
    await until('the shell is ready', () => shown.includes('ready> '), { timeoutMs: 60_000 });
    child.stdin.write(`${line}\t\n`);
    await until('the program was called', () => /GIVEN [^\n]*\n/.test(shown), { timeoutMs: 60_000 });
    return /GIVEN (.*?)\s*\r?\n/.exec(shown)[1];
  } catch (error) {
    return `${error.message}: ${JSON.stringify(shown)}`;
  } finally {
    child.kill('SIGHUP');
  }
}

function completion(shell) {
  return run(process.execPath, [program, 'completion', shell]).stdout;
}

function write(name, text) {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, MANPAGER: 'cat', MANWIDTH: '100' },
  });
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${error?.message ?? stderr}`);
  return { stdout, stderr };
}

function check(title, actual, expected) {
  console.log(`${actual === expected ? 'ok  ' : 'FAIL'} ${title}`);
  if (actual === expected) return;
  failed.push(title);
  console.error(`     ${JSON.stringify(actual)}, and ${JSON.stringify(expected)} was to be expected`);
}
