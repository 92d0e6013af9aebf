import process from 'node:process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bin, temporaryFolder } from './cli-process.js';
import { type CommandResult, runCommand } from './run-command.js';

/** Only a shell hands over bytes that are not UTF-8: `\351` is é in Latin-1. */
function cli(command: string, env: Readonly<Record<string, string>> = {}, variables = ''): Promise<CommandResult> {
  return runCommand('/bin/sh', ['-c', `${variables} exec "$NODE" "$BIN" ${command}`], {
    env: { HOLDFAST_URL: 'memory:', NODE_OPTIONS: undefined, ...env, NODE: process.execPath, BIN: bin },
  });
}

const LATIN_1 = `"$(printf 'caf\\351')"`;

describe('a name that is not UTF-8', () => {
  it.each([
    `run ${LATIN_1} -- true`,
    `once ${LATIN_1} --window 1h -- true`,
    `lead ${LATIN_1} -- true`,
    `leader ${LATIN_1}`,
    `hold ${LATIN_1} --for 10ms`,
    `acquire ${LATIN_1}`,
    `inspect ${LATIN_1}`,
    `force-release ${LATIN_1}`,
    `release --force ${LATIN_1}`,
    `ls ${LATIN_1}`,
    `top ${LATIN_1}`,
    `top --name fine ${LATIN_1}`,
    `serve ${LATIN_1} --port 0`,
    `serve --port 0 --name fine ${LATIN_1}`,
  ])('is refused: %s', async (command) => {
    const { code, stdout, stderr } = await cli(command);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/not UTF-8, or holds the character U\+FFFD/);
  });

  it('is one character away from a name in UTF-8, which is a name like any other', async () => {
    const { code, stdout } = await cli(`inspect "$(printf 'caf\\303\\251')"`);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^café \(lock\)/);
  });

  it('is refused in the prefix of a URL, wherever the URL is from', async () => {
    const url = `"$(printf 'redis://127.0.0.1:1?prefix=caf\\351')"`;
    expect(await cli(`--url ${url} inspect x`)).toMatchObject({ code: 64, stderr: expect.stringMatching(/--url: .*U\+FFFD/) as string });
    const inVariable = await cli('inspect x', {}, `HOLDFAST_URL=${url}`);
    expect(inVariable).toMatchObject({ code: 64, stderr: expect.stringMatching(/HOLDFAST_URL: .*U\+FFFD/) as string });
  });

  it('is refused in the prefix of a configuration file', async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, 'holdfast.config.json');
    await writeFile(file, Buffer.from('{ "url": "redis://127.0.0.1:1", "prefix": "caf\u00E9:" }', 'latin1'));
    expect(await cli(`--config "$FILE" inspect x`, { FILE: file })).toMatchObject({
      code: 64,
      stderr: expect.stringMatching(/this is not valid UTF-8/) as string,
    });
  });
});
