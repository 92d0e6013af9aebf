import { readFile } from 'node:fs/promises';
import { postgresSchemaSql } from 'holdfast/postgres';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../src/cli/program.js';
import { Output } from '../src/cli/output.js';
import { treeOf } from '../src/cli/shell/command-tree.js';
import { callCli } from './captured-output.js';
import { runCommand } from './run-command.js';

const { commands } = treeOf(createProgram(new Output(), () => {}));

describe('holdfast completion', () => {
  it.each(['bash', 'zsh', 'fish'] as const)('for %s has every command, option and choice', async (shell) => {
    const { code, stdout } = await callCli(['completion', shell]);
    expect(code).toBe(0);
    for (const { name, options } of commands) {
      expect(stdout).toContain(name);
      for (const { long, choices } of options) {
        expect(stdout).toContain(shell === 'fish' && long !== '--help' ? `-l ${long.slice(2)}` : shell === 'fish' ? 'help' : long);
        for (const choice of choices) expect(stdout).toContain(choice);
      }
    }
  });

  it.each([
    ['a command', ['force'], ['force-release']],
    ['a command behind the store', ['--url', 'redis', ':', '//h', 'rene'], ['renew']],
    ['an option', ['run', 'x', '--busy'], ['--busy-ok', '--busy-code']],
    ['a choice', ['inspect', 'x', '--kind', 's'], ['semaphore']],
    ['a shell', ['completion', 'f'], ['fish']],
    ['nothing, where anybody’s text is meant', ['run', '--label', ''], []],
    ['the command that is to run', ['run', 'x', '--', 'mkdi'], ['mkdir']],
  ])('completes %s in bash', async (_, words, expected) => {
    const { stdout: script } = await callCli(['completion', 'bash']);
    const program = `${script}\nCOMP_WORDS=(holdfast "$@"); COMP_CWORD=$#; _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { code, stdout, stderr } = await runCommand('bash', ['-c', program, 'bash', ...words]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect([...new Set(stdout.split('\n').filter((line) => line !== ''))]).toEqual(expected);
  });

  it('refuses a shell that it does not know', async () => {
    expect((await callCli(['completion', 'tcsh'])).code).toBe(64);
  });
});

describe('holdfast man', () => {
  it('is the page that comes with the package', async () => {
    const { code, stdout } = await callCli(['man']);
    expect(code).toBe(0);
    expect(stdout).toBe(await readFile(new URL('../man/holdfast.1', import.meta.url), 'utf8'));
  });

  it('has every command and every option', async () => {
    const page = (await readFile(new URL('../man/holdfast.1', import.meta.url), 'utf8')).replaceAll('\\-', '-');
    for (const { name, options } of commands) {
      expect(page).toContain(`.SS holdfast ${name} `);
      for (const { long } of options) expect(page).toContain(long === '--help' ? '--help' : `\\fB${long}\\fR`);
    }
  });
});

describe('holdfast schema', () => {
  it('prints the SQL, without a server', async () => {
    expect(await callCli(['schema', '--schema', 'locks', '--role', 'app'])).toMatchObject({
      code: 0,
      stdout: `${postgresSchemaSql({ schema: 'locks', role: 'app' }).trimEnd()}\n`,
      stderr: '',
    });
    expect((await callCli(['schema', '--schema', 'a"b'])).code).toBe(64);
  });
});
