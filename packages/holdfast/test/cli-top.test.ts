import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { promisify } from 'node:util';
import { type RedisServer, requireProgram, startRedis, until } from '@holdfast/test/servers';
import { connect, type LockManager } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bin, patient, runCli } from './cli-process.js';

const run = promisify(execFile);

let tmux: string;
let server: RedisServer;
let locks: LockManager<bigint>;

beforeAll(async () => {
  tmux = await requireProgram({ binary: 'tmux', debianPackage: 'tmux' });
  server = await startRedis();
  locks = await connect(patient(server.url), { require: ['fencing'], label: '作業者 7' });
});
afterAll(async () => {
  await locks?.close();
  await server?.close();
});

/** A terminal that tmux makes, with `holdfast top` in it and a shell behind that. */
class Terminal implements AsyncDisposable {
  readonly #socket = `holdfast-${randomUUID()}`;

  async start(columns: number, lines: number, ...args: readonly string[]): Promise<this> {
    const command = [process.execPath, bin, ...args].map((part) => `'${part}'`).join(' ');
    const size = ['-x', String(columns), '-y', String(lines)];
    await this.#tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      ...size,
      `printf 'before\\n'; ${command}; printf 'ended with %s\\n' $?; exec sleep 600`,
    );
    return this;
  }

  async screen(): Promise<readonly string[]> {
    return (await this.#tmux('capture-pane', '-p')).trimEnd().split('\n');
  }

  async shows(what: string, isShown: (lines: readonly string[]) => boolean): Promise<readonly string[]> {
    let lines: readonly string[] = [];
    const look = async (): Promise<boolean> => {
      lines = await this.screen();
      return isShown(lines);
    };
    await until(what, look, { timeoutMs: 20_000 }).catch((error: unknown) => {
      throw new Error(`the screen does not show ${what}:\n${lines.join('\n')}`, { cause: error });
    });
    return lines;
  }

  async press(...keys: readonly string[]): Promise<void> {
    await this.#tmux('send-keys', ...keys);
  }

  async resize(columns: number, lines: number): Promise<void> {
    await this.#tmux('resize-window', '-x', String(columns), '-y', String(lines));
  }

  async titleOf(): Promise<string> {
    return (await this.#tmux('display-message', '-p', '#{pane_title}')).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux('kill-server');
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, LC_ALL: 'C.UTF-8', HOLDFAST_URL: patient(server.url), TMUX: undefined, NO_COLOR: undefined };
    return (await run(tmux, ['-u', '-L', this.#socket, ...args], { env })).stdout;
  }
}

const has = (text: string) => (lines: readonly string[]) => lines.some((line) => line.includes(text));

describe('holdfast top, in a terminal', () => {
  it('shows, filters, inspects and takes away, keeps its columns, and leaves the terminal as it was', async () => {
    const prefix = randomUUID().slice(0, 8);
    const evil = `${prefix}:evil\u001b]2;owned\u0007\u001b[2J\u202e`;
    await using lease = await locks.acquire(`${prefix}:漢字の名前`);
    await using _ = await locks.acquire(evil);
    const waiting = new AbortController();
    const waiter = locks.acquire(lease.name, { signal: waiting.signal }).catch(() => null);

    await using terminal = await new Terminal().start(140, 14, 'top', prefix, '--sort', 'waiting', '--every', '200ms');
    const title = await terminal.titleOf();
    const lines = await terminal.shows(
      'both, and that one waits',
      (all) => has('漢字の名前')(all) && /lock {2,}exclusive .* 1 /.test(all[3] ?? ''),
    );
    const columnOf = (line: string | undefined): number => Array.from((line ?? '').split(/(?=KIND|lock {2})/)[0] ?? '').length;
    expect(has('evil\\u{1b}]2;owned\\u{7}')(lines)).toBe(true);
    // Each of the nine wide characters takes two columns of a terminal and is one character of the line.
    expect(columnOf(lines[4])).toBe(columnOf(lines[2]) - '作業者'.length);
    expect(columnOf(lines[3])).toBe(columnOf(lines[2]) - '漢字の名前作業者'.length);
    expect(await terminal.titleOf()).toBe(title);

    await terminal.press('/', 'e', 'v', 'i', 'l');
    await terminal.shows('one of two', has('1 of 2 names'));
    await terminal.press('Enter', 'Enter');
    await terminal.shows('the holder by itself', (all) => has('held by   作業者 7')(all) && has('unless it is renewed')(all));
    await terminal.press('x');
    await terminal.shows('the question', has('Take it away? [y/N]'));
    await terminal.press('n');
    await terminal.shows('that nothing was done', has('nothing was taken away'));
    expect((await locks.inspect(evil)).held).toBe(true);
    await terminal.press('x', 'y');
    await terminal.shows('that it was taken away', has('was taken away'));
    await until('it is free', async () => !(await locks.inspect(evil)).held);

    await terminal.resize(30, 8);
    await terminal.press('Escape');
    await terminal.shows('a narrow screen', (all) => has('NAME')(all) && all.length <= 8 && all.every((line) => line.length <= 30));
    await terminal.press('q');
    await terminal.shows('what stood there before, and the end', (all) => has('before')(all) && has('ended with 0')(all));
    waiting.abort();
    await waiter;
  }, 120_000);

  it('says that a store was not reached, where the terminal is as it was', async () => {
    await using terminal = await new Terminal().start(100, 10, 'top', '--url', 'redis://127.0.0.1:1/?commandTimeoutMs=300');
    await terminal.shows('that it was not reached, and how it ended', (all) => has('before')(all) && has('ended with 69')(all));
  });
});

describe('holdfast top, without a terminal', () => {
  it('says what to use instead', async () => {
    const { code, stdout, stderr } = await runCli(['top'], { url: patient(server.url) });
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toContain('holdfast ls --watch');
  });
});
