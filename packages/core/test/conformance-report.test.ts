import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import { fileURLToPath } from 'node:url';
import {
  type ConformanceCase,
  conformanceCases,
  htmlReport,
  junitReport,
  parseExpectedFailures,
  planCases,
  rules,
  runConformance,
  superviseConformance,
  terminalReport,
} from '@holdfast/core/conformance';
import { createMemoryBackend } from '@holdfast/core/memory';
import { describe, expect, it } from 'vitest';
import { CALL_CHANNEL, type ObservedCall } from '../src/backend/index.js';
import { CaseHistory } from '../src/conformance/case-history.js';
import type { CaseRun } from '../src/conformance/run/case-executor.js';
import { PlanRun } from '../src/conformance/run/run-plan.js';
import { brokenHarness } from './suite/broken-harness.js';

const whole = brokenHarness(() => ({}));
/** Frees it no matter who has it. */
const ownerless = brokenHarness((backend) => ({
  release: async (holds, call) => await Promise.all(holds.map(({ name }) => backend.forceRelease(name, 'lock', call))),
}));
const SOME = ['backend/owner', 'exclusive/lock/excludes', 'exclusive/lock/forced', 'leases/fresh'];

describe('a case of the suite', () => {
  it('names a rule that says why it matters, and each rule has cases and grounds that there are', () => {
    const used = new Set(conformanceCases().map(({ rule }) => rule.id));
    for (const rule of rules) {
      expect(used).toContain(rule.id);
      expect(rule.says.length * rule.why.length).toBeGreaterThan(0);
      for (const ground of rule.standsOn) expect(rules.map(({ id }) => id)).toContain(ground);
    }
  });

  it('comes first where it is about the bare backend, and a seed changes the order of the others only, always alike', () => {
    const plain = planCases({});
    const [one, same, other] = [planCases({ seed: 1 }), planCases({ seed: 1 }), planCases({ seed: 2 })];
    expect(plain.first.every(({ topic }) => topic === 'backend')).toBe(true);
    expect(one).toEqual(same);
    expect(one.rest).not.toEqual(other.rest);
    expect(new Set(one.rest)).toEqual(new Set(plain.rest));
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 32]) expect(() => planCases({ seed })).toThrow(RangeError);
    expect(() => planCases({ only: ['luck'] })).toThrow(RangeError);
  });
});

describe('a report', { timeout: 90_000 }, () => {
  it('tells passed, not applicable and not run apart', async () => {
    const report = await runConformance(whole, { only: ['backend', 'nodes', 'leases/fresh', 'semaphores/limit'] });
    const statusOf = (id: string) => report.cases.find((one) => one.id === id)?.status;
    expect(statusOf('leases/fresh')).toBe('passed');
    expect(statusOf('semaphores/limit')).toBe('not-applicable');
    expect(statusOf('nodes/one-silent')).toBe('not-applicable');
    expect(statusOf('backend/late-exclusive')).toBe('not-run');
    expect(report).toMatchObject({ ok: true, failed: 0, backend: 'map', capabilities: { semaphores: false }, levels: null });
    expect(report.passed + report.notApplicable + report.notRun).toBe(report.cases.length);
  });

  it('says of a failure the rule, why, where to look, what the store was asked, and what it follows from', async () => {
    const report = await runConformance(ownerless, { only: SOME });
    expect(report).toMatchObject({ ok: false, passed: 2, failed: 2 });
    const [first, second] = report.cases.filter(({ status }) => status === 'failed');
    expect(first).toMatchObject({ id: 'backend/owner', rule: 'owner', lookAt: ['release', 'renew'] });
    expect(first?.statement).toMatch(/^backend\.[jt]s:\d+: assert\./);
    expect(first?.history?.join('\n')).toMatch(/release \[name 1 exclusive owner 2\] -> true/);
    expect(second).toMatchObject({ id: 'exclusive/lock/forced', followsFrom: 'backend/owner' });
    for (const text of [terminalReport(report), junitReport(report), htmlReport(report)]) {
      for (const part of ['backend/owner', 'LockBackend.release', 'redlock 4.2', 'owner 2']) expect(text).toContain(part);
    }
    expect(JSON.stringify(report)).not.toMatch(/[\da-f]{32}/);
  });

  it('counts what was asked over and over with the same outcome, in place of a line each', () => {
    const history = new CaseHistory();
    const name = history.own(`lock ${randomUUID()}`);
    const ask = (method: string, answer: unknown, at: number): void =>
      channel(CALL_CHANNEL).publish({
        client: 1,
        method,
        asked: [[{ name }]],
        startedAt: at,
        endedAt: at + 1,
        answer,
        error: undefined,
      } satisfies ObservedCall);
    for (let i = 0; i < 30; i += 1) ask('attempt', [{ granted: false, remainingMs: 100.5 - i }], i);
    ask('release', [true], 30);
    for (let i = 31; i < 33; i += 1) ask('attempt', [{ granted: false, remainingMs: null }], i);
    history.end();
    expect(history.lines().map((line) => line.replace(/^ *-?\d+ ms */, ''))).toEqual([
      'client 1  attempt [name 1] -> busy for 101 ms (1 ms)',
      '           ... and the same 29 times more',
      'client 1  release [name 1] -> true (1 ms)',
      'client 1  attempt [name 1] -> busy (1 ms)',
      '           ... and the same once more',
    ]);
  });

  it('shows what is wrong where the assertion alone would not say it', async () => {
    const deaf = brokenHarness(() => ({ release: async (holds) => holds.map(() => false) }));
    const report = await runConformance(deaf, { only: ['backend/batches'] });
    expect(report.cases[0]?.error).toBe('expected [true,false,false,true,true], got [false,false,false,false,false]');
  });

  it('takes down what nobody handled, as the failure of the case that ran', async () => {
    const careless = brokenHarness((backend) => ({
      async attempt(requests, call) {
        void Promise.reject(new Error('left behind'));
        return await backend.attempt(requests, call);
      },
    }));
    const report = await runConformance(careless, { only: ['leases/fresh'], concurrency: 1 });
    expect(report).toMatchObject({ ok: false, failed: 1 });
    expect(report.cases[0]?.error).toContain('left behind');
    expect(report.strays.join()).toContain('leases/fresh');
  });

  it('counts expected failures apart, and fails when one passes', async () => {
    const ids = conformanceCases().map(({ id }) => id);
    const expected = parseExpectedFailures('# known\nbackend/owner # no owner\n\n exclusive/lock/forced\n', ids);
    expect(await runConformance(ownerless, { only: SOME, expectedFailures: expected })).toMatchObject({
      ok: true,
      failed: 0,
      expectedFailures: 2,
    });
    const passing = await runConformance(whole, { only: SOME, expectedFailures: ['leases/fresh'] });
    expect(passing).toMatchObject({ ok: false, failed: 0, unexpectedPasses: ['leases/fresh'] });
    expect(() => parseExpectedFailures('leases/old', ids)).toThrow(RangeError);
  });

  it('repeats cases, and one failure of several is one', async () => {
    let setups = 0;
    const flaky = brokenHarness((backend) => ({
      release: (holds, call) => (setups === 2 ? Promise.resolve(holds.map(() => false)) : backend.release(holds, call)),
    }));
    const counted = { ...flaky, setup: (options: Parameters<typeof flaky.setup>[0]) => ((setups += 1), flaky.setup(options)) };
    const report = await runConformance(counted, { only: ['exclusive/lock/release-once'], repeat: 3, concurrency: 1 });
    expect(report.cases[0]).toMatchObject({ status: 'failed', runs: 3, failures: 1 });
  });

  it('is made also of a run that ends before its end', async () => {
    const budget = await runConformance(whole, { only: ['waiting'], concurrency: 1, budgetMs: 1 });
    expect(budget.notRun).toBeGreaterThan(0);
    expect(budget).toMatchObject({ ok: false, ended: 'the budget of 1 ms is used up' });
    const interrupted = new AbortController();
    const report = await runConformance(whole, {
      only: ['leases', 'waiting'],
      signal: interrupted.signal,
      onResult: () => interrupted.abort(new Error('enough')),
    });
    expect(report).toMatchObject({ ok: false, ended: 'enough' });
    expect(report.passed).toBeGreaterThan(0);
  });

  it('says which levels were reached when all was run, and none without the lock', async () => {
    const capabilities = { ...createMemoryBackend().capabilities, fair: false };
    const judge = async (statusOf: (testCase: ConformanceCase) => CaseRun['status']) => {
      const executor = {
        run: async (testCase: ConformanceCase): Promise<CaseRun> => ({ status: statusOf(testCase), ms: 1, backend: 'any', capabilities }),
        strays: [],
        versions: async () => ({}),
        close: async () => {},
      };
      const { levels, badge } = await new PlanRun('any', executor, {}).run();
      return { badge, statusOf: (name: string) => levels?.find((level) => level.name === name)?.status };
    };
    const ideal = await judge(({ level }) => (level === 'nodes' ? 'not-run' : level === 'fair' ? 'not-applicable' : 'passed'));
    expect(['lock', 'marks', 'nodes', 'fair', 'session'].map(ideal.statusOf)).toEqual([
      'reached',
      'reached',
      'not-offered',
      'not-offered',
      'not-offered',
    ]);
    expect(ideal.badge).toMatch(/^Holdfast conformance \d+: lock, late, fencing, semaphores, read-write, push, marks, list$/);
    const partial = await judge(({ id }) => (id === 'leases/fresh' ? 'not-run' : id === 'fencing/load' ? 'failed' : 'passed'));
    expect(['lock', 'fencing', 'marks'].map(partial.statusOf)).toEqual(['incomplete', 'failed', 'reached']);
    expect(partial.badge).toMatch(/not reached$/);
  });
});

describe('a suite in a process of its own', { timeout: 90_000 }, () => {
  const script = fileURLToPath(new URL('../dist-test/test/suite/crashing-process.js', import.meta.url));
  const ONLY = ['backend/batches', 'backend/busy-says-how-long', 'leases/fresh', 'leases/released'];
  const supervise = async (how: string) =>
    await superviseConformance('broken', () => fork(script, [how], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] }), {
      only: ONLY,
      stallMs: 5_000,
    });

  // Each has a process of its own, and waits for it.
  it.concurrent.each([
    ['ends its process', 'exit', /exit code 3/],
    ['blocks it for ever', 'hang', /stood still/],
    ['leaves a rejection', 'reject', /left behind/],
    ['throws at once', 'throw', /at once/],
  ])('reports a backend that %s as the failure of the one case', async (_, how, error) => {
    const report = await supervise(how);
    expect(report.cases.filter(({ status }) => status === 'failed').map(({ id }) => id)).toEqual(['backend/batches']);
    expect(report.cases.find(({ id }) => id === 'backend/batches')?.error).toMatch(error);
    expect(report).toMatchObject({ ok: false, passed: 3, failed: 1, ended: null });
  });

  it('rejects when the process cannot start at all', async () => {
    const broken = superviseConformance('broken', () => fork(`${script}.gone`, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] }));
    await expect(broken).rejects.toThrow('could not start');
  });
});
