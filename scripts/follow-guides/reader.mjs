// Somebody who reads a page and types what it shows.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withAddresses } from '../../test/dist/servers/index.js';
import { blocksOf, root } from '../try-frameworks/project.mjs';

/** Of one command: an installation, on a busy machine. */
const PATIENCE_MS = 240_000;

export class Reader {
  #registry;
  #servers;
  #folder;

  /** @param servers what `startForPages` has started */
  constructor(folder, registry, servers) {
    this.#folder = folder;
    this.#registry = registry;
    this.#servers = servers;
  }

  /** Goes on in a folder below. */
  enter(folder) {
    this.#folder = join(this.#folder, folder);
  }

  /** The address that stands in place of one that pages write. */
  addressOf(written) {
    return withAddresses(written, this.#servers);
  }

  path(name) {
    return join(this.#folder, name);
  }

  /** A page, as it stands. */
  text(page) {
    return readFileSync(join(root, page), 'utf8');
  }

  /** Saves a file. The addresses of servers are the only thing that is changed, here and in commands. */
  save(name, text) {
    writeFileSync(join(this.#folder, name), this.addressOf(text));
  }

  /** The code of a page: the blocks of this language, below this heading or of the whole page. */
  blocks(page, language, heading = null) {
    return blocksOf(page, heading, language);
  }

  /**
   * Types it into a shell, which stops at the first command that fails.
   *
   * @param also variables of the environment
   * @returns what was printed
   * @throws Error with that when it ended with another code than `expected`
   */
  async type(commands, { expected = 0, also = {} } = {}) {
    const env = { ...process.env, npm_config_registry: this.#registry, npm_config_fund: 'false', npm_config_audit: 'false', NO_COLOR: '1' };
    for (const name of ['NODE_OPTIONS', 'FORCE_COLOR', 'HOLDFAST_URL']) delete env[name];
    const shell = spawn('bash', ['-e', '-c', this.addressOf(commands)], {
      cwd: this.#folder,
      env: { ...env, ...also },
      timeout: PATIENCE_MS,
    });
    shell.stdin.end();
    let printed = '';
    for (const stream of [shell.stdout, shell.stderr]) stream.setEncoding('utf8').on('data', (text) => (printed += text));
    const code = await new Promise((resolve) => shell.once('close', (status, signal) => resolve(status ?? signal)));
    if (code !== expected) throw new Error(`${commands}\nended with ${code}, and ${expected} was to be expected:\n${printed}`);
    return printed;
  }
}

/** @throws Error when `printed` does not match */
export function expectIn(printed, pattern) {
  if (!pattern.test(printed)) throw new Error(`${pattern} was to be printed, and this was:\n${printed}`);
}
