import { readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { runFromCommandLine } from './command-line.js';
import type { Ground, OpenGround } from './fault.js';
import { type RunOptions, type RunReport, runFaults } from './run.js';

const LIMIT_MS = 60_000;
const OPTIONS: RunOptions = { seed: 7, backends: ['theirs'], processes: 1, callers: 1, grants: 1, rounds: 1, most: 1, lastsMs: 1 };

/** A run's report without a run. */
function reportOf(violations: readonly string[]): typeof runFaults {
  return async ({ seed }): Promise<RunReport> => ({ violations, breaches: [], holds: [], events: [], seed, keptIn: null });
}

/** What the command line prints and answers. */
async function soak(given: readonly string[], run: typeof runFaults): Promise<{ readonly code: number; readonly errors: string }> {
  const errors: string[] = [];
  const code = await runFromCommandLine(given, { log: () => {}, error: (line: string) => errors.push(line) }, run);
  return { code, errors: errors.join('\n') };
}

function groundAt(url: string, close = async (): Promise<void> => {}): Ground {
  return { store: { kind: 'redis', url, fair: false }, faults: [], close };
}

/** The report of a run on one store; the history that it keeps is removed. */
async function runOn(open: OpenGround, options: Partial<RunOptions> = {}): Promise<RunReport> {
  const report = await runFaults({ ...OPTIONS, ...options }, { theirs: open });
  if (report.keptIn !== null) await rm(report.keptIn);
  return report;
}

test(
  'a store that never answers is a violation, and the run ends',
  async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket.on('error', () => {})));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const { port } = silent.address() as AddressInfo;
    const { violations, holds } = await runOn(async () => groundAt(`redis://127.0.0.1:${port}`), { grantsLimitMs: 1_000 });
    expect(violations).toEqual([expect.stringContaining('every store has granted')]);
    expect(holds).toEqual([]);
  },
  LIMIT_MS,
);

test(
  'a backend that throws at once ends its process, which is a violation with what the process printed',
  async () => {
    const { violations } = await runOn(async () => groundAt('paper://nowhere'));
    expect(violations).toEqual([expect.stringMatching(/p1 ended by itself \(code [1-9]/)]);
    expect(violations[0]).toContain('LOCK_INVALID_ARGUMENT');
  },
  LIMIT_MS,
);

test('a store that cannot be started ends the run, and the stores that were started are stopped', async () => {
  const stopped: string[] = [];
  const known = {
    one: async () => groundAt('redis://127.0.0.1:1', async () => void stopped.push('one')),
    other: () => Promise.reject(new Error('no such program')),
  };
  const { code, errors } = await soak(['--seed', '7'], (options) => runFaults({ ...options, backends: ['one', 'other'] }, known));
  expect({ code, stopped }).toEqual({ code: 1, stopped: ['one'] });
  expect(errors).toContain('no such program');
});

test(
  'a history that cannot be written when the run is over is a violation, and what the run has found is reported',
  async () => {
    const { violations, keptIn } = await runOn(async () => groundAt('paper://nowhere'), { history: '/nowhere/history.jsonl' });
    expect(violations).toEqual([expect.stringContaining('ended by itself'), expect.stringContaining('ENOENT')]);
    expect(keptIn).toBeNull();
  },
  LIMIT_MS,
);

test(
  'a history that was asked for is written, whatever was wrong',
  async () => {
    const { keptIn } = await runFaults({ ...OPTIONS, seed: 8 }, { theirs: async () => groundAt('paper://nowhere') });
    onTestFinished(() => rm(keptIn ?? ''));
    expect(await readFile(keptIn ?? '', 'utf8')).toBe('');
  },
  LIMIT_MS,
);

test.each([
  { given: [], violations: [], code: 0 },
  { given: [], violations: ['two holders'], code: 1 },
  { given: ['--expect-violation'], violations: ['two holders'], code: 0 },
  { given: ['--expect-violation'], violations: [], code: 1 },
])('$given with violations $violations ends with $code', async ({ given, violations, code }) => {
  expect(await soak(given, reportOf(violations))).toMatchObject({ code });
});

test.each(['tomorrow', '0', '-1', '1e3', '0x10', '1.5', '', ' 7', '9007199254740993'])('the seed %j is refused', async (seed) => {
  expect(await soak([`--seed=${seed}`], reportOf([]))).toMatchObject({ code: 2, errors: expect.stringContaining('--seed') as string });
});
