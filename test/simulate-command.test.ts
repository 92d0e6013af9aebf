import { runMain } from '@holdfast/test/simulation';
import { describe, expect, it } from 'vitest';
import { readSimulateCommand, usageOf } from './simulator/simulate-command.js';

const stores = ['memory', 'redis'];
const main = new URL('./dist/simulator/main.js', import.meta.url);

describe('pnpm simulate', () => {
  it.each(['--help', '--store redis --help', '-- --help'])('prints its help, with every store (%s)', async (given) => {
    const { status, output } = await runMain(main, given.split(' '));
    expect(status).toBe(0);
    expect(output.trim()).toBe(usageOf(['memory', 'redis', 'table', 'redlock']));
  });

  it('says of options that it does not know what is wrong, and how to get help', async () => {
    const { status, output } = await runMain(main, ['--sedes', '7']);
    expect(status).toBe(2);
    expect(output).toMatch(/--sedes[\s\S]*Try --help\./);
  });

  it.each([
    [['--store', 'mysql'], /mysql.*memory, redis/],
    [['--seeds', '0'], /--seeds.*from 1/],
    [['--seed', 'x'], /--seed.*from 1/],
    [['7'], /7/],
  ])('refuses %j', (given, why) => {
    const command = readSimulateCommand(given, stores);
    expect(typeof command === 'object' && 'wrong' in command ? command.wrong : command).toMatch(why);
  });

  it('hands all options but the store on', () => {
    expect(readSimulateCommand(['--seeds=5', '--store', 'redis', '--mutant', 'no-check', '--whole'], stores)).toEqual({
      store: 'redis',
      options: ['--seeds', '5', '--mutant', 'no-check', '--whole'],
    });
    expect(readSimulateCommand([], stores)).toEqual({ store: 'memory', options: [] });
  });
});

describe('a script with options', () => {
  it.each([
    'test/dist/faults/main.js',
    'test/dist/jvm/main.js',
    'bench/dist/main.js',
    'bench/dist/compare/main.js',
    'bench/run-all.mjs',
    'scripts/test-runtimes.mjs',
  ])('prints its help, and refuses an option that it does not know (%s)', async (path) => {
    const script = new URL(`../${path}`, import.meta.url);
    const [help, refused] = await Promise.all([runMain(script, ['--help']), runMain(script, ['--unheard-of'])]);
    expect(help.status).toBe(0);
    expect(help.output).toMatch(/^ {2}--|pnpm \w/m);
    expect([2, 64]).toContain(refused.status);
    expect(refused.output).toMatch(/--unheard-of|BEFORE AFTER/);
  });
});
