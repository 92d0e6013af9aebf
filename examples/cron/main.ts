import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from 'holdfast';
import { PERIOD_MS, periodOf } from './periods.js';
import type { Progress } from './server-process.js';
import { createStatistics, type Entry } from './statistics.js';

const USAGE = `A job that is due every second, on two servers, one of which is killed at work.

  node examples/dist/cron/main.js redis://localhost:6379

Exits with 0 when each period was done, and once.
`;
/** How many periods to watch, and for how long at most. */
const PERIODS = 6;
const PATIENCE_MS = 40_000;

async function main(url: string): Promise<boolean> {
  // Fails here, in one line, when the server cannot be reached.
  await (await connect(url)).close();
  const run = `holdfast-cron:${randomBytes(6).toString('hex')}`;
  const since = periodOf(Date.now() + 2 * PERIOD_MS);
  const statistics = createStatistics(url, run);

  let killedAt: string | undefined;
  const servers = ['web-1', 'web-2'].map((name) => {
    const server = fork(fileURLToPath(new URL('./server-process.js', import.meta.url)));
    server.send({ name, url, run, since });
    server.on('message', ({ period, what }: Progress) => {
      console.log(`${name}  ${what.padEnd(5)}  ${period}`);
      // The one who is the first to begin the second period.
      if (killedAt !== undefined || what !== 'began' || period === since) return;
      killedAt = period;
      server.kill('SIGKILL');
      console.log(`${name}  KILLED at ${period}, whose lock ends by itself in three seconds`);
    });
    return server;
  });

  try {
    const end = Date.now() + PATIENCE_MS;
    let entries: readonly Entry[] = [];
    while (Date.now() < end) {
      entries = (await statistics.read()).slice(0, PERIODS);
      // Done, and without a gap: the period of the server that died is there too.
      if (entries.length === PERIODS && entries.at(-1)?.period === periodOf(Date.parse(since) + (PERIODS - 1) * PERIOD_MS)) break;
      await sleep(100);
    }
    console.log('');
    for (const { period, server, times } of entries) console.log(`${period}  by ${server}${times === 1 ? '' : `, ${times} TIMES`}`);
    const isRight = entries.length === PERIODS && entries.every(({ times }) => times === 1) && killedAt !== undefined;
    console.log(isRight ? `\nEach period was done once, also the one at which a server died (${killedAt}).` : '\nWRONG.');
    return isRight;
  } finally {
    for (const server of servers) server.kill();
    await statistics.drop();
    statistics.close();
  }
}

const url = process.argv[2] ?? process.env['HOLDFAST_URL'];
if (url === undefined || url.startsWith('-')) {
  process.stdout.write(USAGE);
  process.exitCode = url === undefined ? 2 : 0;
} else {
  try {
    process.exitCode = (await main(url)) ? 0 : 1;
  } catch (error) {
    console.error(`cron: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
