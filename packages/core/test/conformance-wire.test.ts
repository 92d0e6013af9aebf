import { createLockManager, type LockManager } from '@holdfast/core';
import { type ConformanceHarness, noWire, runConformance, type SetupOptions } from '@holdfast/core/conformance';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLineBackend, type LineFault } from './suite/line-backend.js';
import { LineServer } from './suite/line-server.js';
import { brokenHarness } from './suite/broken-harness.js';

let server: LineServer;
beforeAll(async () => {
  server = await LineServer.start();
});
afterAll(async () => await server[Symbol.asyncDispose]());

/** All of its faults are the suite's own: it does no more than call `via`. */
function lineHarness(fault?: LineFault): ConformanceHarness {
  return {
    name: 'a server of lines',
    faults: ['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'killSession', 'deliverLate', 'crash', 'otherProcess'],
    setup(options) {
      const managers: LockManager[] = [];
      const open = async ({ via = noWire, ...managerOptions }: SetupOptions = {}) => {
        const manager = createLockManager(createLineBackend({ ...(await via('127.0.0.1', server.port)), fault }), managerOptions);
        managers.push(manager);
        return manager;
      };
      return (async () => ({
        manager: await open(options),
        peer: open,
        faults: {
          otherProcess: () => ({
            module: new URL('../dist-test/test/suite/line-client.js', import.meta.url),
            data: { host: '127.0.0.1', port: server.port, fault },
          }),
        },
        close: async () => void (await Promise.all(managers.map((manager) => manager.close()))),
      }))();
    },
  };
}

const failedOf = async (harness: ConformanceHarness, only: readonly string[]): Promise<readonly string[]> => {
  const report = await runConformance(harness, { only });
  return report.cases.filter(({ status }) => status === 'failed').map(({ id }) => id);
};

describe('the wire of the suite', { timeout: 120_000 }, () => {
  it('makes the faults of a harness that only calls via, on which a backend that is whole passes', async () => {
    const report = await runConformance(lineHarness(), {
      only: ['wire', 'process', 'deadline/lost-reply', 'crash/holder'],
      concurrency: 16,
    });
    // It lets requests arrive late: to refuse them takes more than a lock server of a hundred lines.
    const faulty = report.cases.filter(({ id, status }) => status !== 'passed' && id !== 'wire/late');
    expect(faulty).toEqual([]);
    expect(report.cases.find(({ id }) => id === 'wire/late')).toMatchObject({ status: 'failed' });
  }, 120_000);

  // Each has connections and processes of its own, and waits.
  it.concurrent.each([
    ['lets its own clock decide', 'client-clock', ['process/clock-ahead', 'process/clock-behind']],
    ['does not connect again', 'no-reconnect', ['wire/cut']],
    ['takes half a reply for busy', 'half-a-reply-is-busy', ['wire/cut-reply']],
    ['opens a connection for each waiter', 'connection-per-waiter', ['wire/connections']],
    ['keeps a process that has nothing else to do', 'keeps-the-process', ['process/ends']],
  ] as const)(
    'shows a backend that %s',
    async (_, fault, cases) => {
      expect(await failedOf(lineHarness(fault), cases)).toEqual(cases);
    },
    60_000,
  );

  it('does not apply where a harness calls no via', async () => {
    const report = await runConformance(
      brokenHarness(() => ({})),
      { only: ['wire'] },
    );
    expect(new Set(report.cases.map(({ status }) => status))).toEqual(new Set(['not-applicable']));
  });
});
