import { fileURLToPath } from 'node:url';
import process from 'node:process';
import { askRedis, reservePort, startRedis } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { type CommandResult, runCommand } from './run-command.js';

const main = fileURLToPath(new URL('../../../examples/dist/bank/main.js', import.meta.url));

function demo(...args: readonly string[]): Promise<CommandResult> {
  return runCommand(process.execPath, [main, ...args], { env: { HOLDFAST_URL: undefined, FORCE_COLOR: undefined } });
}

/** What a person must see, in this order. */
const STORY = [
  /1\. Without a lock/,
  /Ann +reads +A = 1000/,
  /Ann +writes A = 800/,
  /Bob +writes A = 700/,
  /=> A = 700, B = 300\. LOST: Ann paid out 200 that are still in the books/,
  /2\. The same two, with a lock/,
  /has the lock, token \d+/,
  /has the lock, token \d+/,
  /writes A = 500/,
  /=> A = 500, B = 300\. Correct\./,
  /3\. What no lock can do/,
  /Cleo +reads +C = 1000, and falls asleep/,
  /Dan +writes C = 1050/,
  /Cleo +wakes up \(lease\.isHeld: false\)/,
  /Cleo +is REFUSED/,
  /C = 1050\. Correct/,
];

function expectStory(output: string): void {
  let rest = output;
  for (const line of STORY) {
    expect(rest).toMatch(line);
    rest = rest.slice(rest.search(line) + 1);
  }
  // Nobody is looking at a pipe: no colours, and lines that fit.
  expect(output).not.toContain('\u001b');
  expect(Math.max(...output.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
}

describe('the demo', () => {
  it('loses an update without a lock and none with one', async () => {
    const { code, stdout, stderr } = await demo();
    expect(stderr).toBe('');
    expectStory(stdout);
    expect(code).toBe(0);
  });

  it('does the same with several processes on a real Redis, and leaves no account behind', async () => {
    await using server = await startRedis();
    const { code, stdout, stderr } = await demo('--', server.url);
    expect(stderr).toBe('');
    expectStory(stdout);
    expect(code).toBe(0);
    expect(await askRedis(server.port, 'KEYS holdfast-demo:*')).not.toContain('holdfast-demo');
  });

  it('says in one line that the server cannot be reached, without the password', async () => {
    const reserved = await reservePort();
    const { code, stdout, stderr } = await demo(`redis://:SECRET@127.0.0.1:${reserved.port}`).finally(() => reserved.release());
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(new RegExp(`^demo: connect: redis://\\*\\*\\*@127\\.0\\.0\\.1:${reserved.port}: `));
    expect(stdout + stderr).not.toContain('SECRET');
    expect(code).toBe(1);
  });

  it('explains itself', async () => {
    const { code, stdout } = await demo('--help');
    expect(stdout).toMatch(/pnpm demo redis:\/\/host:port/);
    expect(code).toBe(0);
  });

  it.each([[['postgres://h']], [['memory:', 'more']], [['localhost:6379']], [['--loud']]])(
    'refuses the arguments %j with its usage',
    async (args) => {
      const { code, stdout, stderr } = await demo(...args);
      expect(stderr).toMatch(/^demo: .*\n\nTwo tellers/);
      expect(stdout).toBe('');
      expect(code).toBe(2);
    },
  );
});
