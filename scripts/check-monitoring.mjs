// Checks docs/monitoring with Prometheus itself: the alert rules and their tests, the text of createLockMetrics, and that every query of the dashboard
// and of the alerts gives something of a real run (Redis, Redlock, an election) that a real Prometheus has scraped. Needs Debian's package
// `prometheus`, which apt installs where it can. Not part of the tests, as it takes a while. After a build: `pnpm check:monitoring`.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { requireProgram, reservePort, startRedis, startRedisNodes, until } = await import('../test/dist/servers/index.js');
const { connect } = await import('../packages/holdfast/dist/index.js');
const { createElection } = await import('../packages/holdfast/dist/election.js');
const { initializeNodes } = await import('../packages/redlock/dist/index.js');
const { createLockMetrics } = await import('../packages/holdfast/dist/metrics/index.js');

const prometheus = await requireProgram({ binary: 'prometheus', debianPackage: 'prometheus' });
const promtool = await requireProgram({ binary: 'promtool', debianPackage: 'prometheus' });
const folder = new URL('../docs/monitoring/', import.meta.url).pathname;
const MOST_MS = 120_000;

function tool(title, args, input = '') {
  const { status, stdout, stderr } = spawnSync(promtool, args, { input, encoding: 'utf8' });
  assert.equal(status, 0, `${title}:\n${stdout}${stderr}`);
  console.log(`ok  ${title}`);
}

tool('the alert rules are rules', ['check', 'rules', join(folder, 'alerts.yml')]);
tool('each alert fires on its series and on no other', ['test', 'rules', join(folder, 'alerts.test.yml')]);

const rules = readFileSync(join(folder, 'alerts.yml'), 'utf8');
const errors = readFileSync(join(folder, '../errors.md'), 'utf8');
const headings = [...errors.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
  heading
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-'),
);
const runbooks = [...rules.matchAll(/runbook: docs\/errors\.md#(\S+)/g)].map(([, anchor]) => anchor);
assert.ok(runbooks.length > 0 && runbooks.length === rules.split('- alert:').length - 1, 'each alert has a runbook');
for (const anchor of runbooks) assert.ok(headings.includes(anchor), `docs/errors.md has no heading for #${anchor}`);
console.log('ok  each alert says what to do');

const metrics = createLockMetrics();
const redis = await startRedis();
const nodes = await startRedisNodes(3);
const locks = await connect(`${redis.url}?ttlMs=3000`);
await initializeNodes({ urls: nodes.urls, maxTtlMs: 10_000 });
const majority = await connect(`redlock://${nodes.urls.map((url) => new URL(url).host).join(',')}?maxTtlMs=10000&ttlMs=3000`);
const exporter = createServer((_, response) => response.setHeader('content-type', metrics.contentType).end(metrics.text())).listen(
  0,
  '127.0.0.1',
);
await once(exporter, 'listening');

const ended = new AbortController();
const election = createElection(locks, 'scheduler', { ttlMs: 3_000 });
const leading = election.run(({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })), {
  signal: ended.signal,
});
leading.catch(() => {});
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Everything that a metric counts, over and over. */
async function work() {
  for (let round = 0; !ended.signal.aborted; round += 1) {
    const name = `job:${round % 3}`;
    /* oxlint-disable no-await-in-loop */
    const held = await locks.acquire(name, { signal: ended.signal });
    const waiting = locks.acquire(name, { waitMs: 300 }).catch(() => null);
    await locks.tryAcquire(name);
    await pause(round % 4 === 0 ? 1_300 : 50);
    if (round % 5 === 0) await locks.forceRelease(name);
    else await held.release();
    await (await waiting)?.release();
    await locks.semaphore('pool', { permits: 4 }).withPermits({ permits: 2 }, () => pause(10));
    await majority.tryWithLock('spread', () => pause(10)).catch(() => null);
    // Clocks of nodes are looked at by checks of their health alone.
    if (round % 5 === 0) await majority.checkHealth();
    /* oxlint-enable no-await-in-loop */
  }
}
const working = work().catch((error) => {
  if (!ended.signal.aborted) throw error;
});
working.catch(() => {});
const stuck = await locks.acquire('stuck');
const waiter = locks.acquire('stuck', { signal: ended.signal }).catch(() => null);

const directory = mkdtempSync(join(tmpdir(), 'holdfast-prometheus-'));
const reserved = await reservePort();
const { port } = reserved;
reserved.release();
writeFileSync(
  join(directory, 'prometheus.yml'),
  `global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: ['${join(folder, 'alerts.yml')}']\n` +
    `scrape_configs:\n  - job_name: holdfast\n    static_configs: [{ targets: ['127.0.0.1:${exporter.address().port}'] }]\n`,
);
const server = spawn(
  prometheus,
  [`--config.file=${directory}/prometheus.yml`, `--storage.tsdb.path=${directory}/data`, `--web.listen-address=127.0.0.1:${port}`],
  { stdio: ['ignore', 'ignore', 'pipe'] },
);
let log = '';
server.stderr.setEncoding('utf8').on('data', (text) => {
  log = (log + text).slice(-4_000);
});

async function query(expression) {
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?${new URLSearchParams({ query: expression })}`);
  const answer = await response.json();
  assert.equal(answer.status, 'success', `${expression}: ${answer.error}`);
  return answer.data.result;
}

/** As Grafana would ask it. */
function asked(expression) {
  return expression.replaceAll('$system', '.*').replaceAll('[$__rate_interval]', '[30s]');
}

try {
  await until(
    'Prometheus answers',
    () =>
      fetch(`http://127.0.0.1:${port}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    { timeoutMs: MOST_MS },
  );
  await until('it has scraped', async () => (await query('count_over_time(lock_held[1m])')).some(({ value }) => Number(value[1]) > 3), {
    timeoutMs: MOST_MS,
  });
  await until('the leader is seen', async () => (await query('lock_leader')).length > 0, { timeoutMs: MOST_MS });
  tool('the text of createLockMetrics is as Prometheus wants it', ['check', 'metrics'], metrics.text());

  // A node that is restarted is heard of, and takes no part for a while.
  const [node] = nodes.nodes;
  await node.kill();
  await pause(500);
  await node.restart();

  const { panels } = JSON.parse(readFileSync(join(folder, 'dashboard.json'), 'utf8'));
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  assert.ok(expressions.length > 15);
  for (const expression of expressions) {
    /* oxlint-disable-next-line no-await-in-loop */
    await until(`${expression} gives a series`, async () => (await query(asked(expression))).some(({ value }) => value[1] !== 'NaN'), {
      timeoutMs: MOST_MS,
    });
  }
  console.log(`ok  ${expressions.length} queries of the dashboard give a series`);

  await until(
    'the alert of a loss fires',
    async () => (await query('ALERTS{alertname="HoldfastLockLost",alertstate="firing"}')).length > 0,
    { timeoutMs: MOST_MS },
  );
  const { data } = await (await fetch(`http://127.0.0.1:${port}/api/v1/rules`)).json();
  for (const rule of data.groups.flatMap((group) => group.rules)) assert.equal(rule.health, 'ok', `${rule.name}: ${rule.lastError}`);
  console.log('ok  the alerts are evaluated, and a loss fires');
} catch (error) {
  console.error(log);
  throw error;
} finally {
  ended.abort();
  server.kill('SIGKILL');
  await once(server, 'exit').catch(() => {});
  rmSync(directory, { recursive: true, force: true });
  await Promise.allSettled([working, leading, waiter]);
  await stuck.release().catch(() => {});
  await Promise.allSettled([locks.close(), majority.close()]);
  metrics.close();
  exporter.close();
  exporter.closeAllConnections();
  await redis.close();
  await nodes[Symbol.asyncDispose]();
}
