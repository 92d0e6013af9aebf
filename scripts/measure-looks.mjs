// What the page costs with many locks: `node scripts/measure-looks.mjs redis [locks] [looks]`, after a build; also `redlock`, `table`, `zookeeper`, `memory`.
// By default 100,000 locks and 5 looks. The process that looks holds 100 locks with a ttl of 3 s meanwhile. Ends with 1 when it loses one.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { startPostgres, startRedis, startRedisNodes, startZooKeeper } from '../test/dist/servers/index.js';
import { connect } from '../packages/holdfast/dist/index.js';
import { createLockPage } from '../packages/holdfast/dist/page/index.js';
import { initializeNodes } from '../packages/redlock/dist/index.js';

const OWN = 100;
const TTL_MS = 3_000;

const stores = {
  async redis() {
    const server = await startRedis({ config: {} });
    return { url: server.url, close: () => server.close() };
  },
  async redlock() {
    const server = await startRedisNodes(3);
    await initializeNodes({ urls: server.urls, maxTtlMs: 900_000 });
    return {
      url: `redlock://${server.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
      more: { maxTtlMs: 900_000 },
      close: () => server.close(),
    };
  },
  async table() {
    const server = await startPostgres();
    return { url: server.url, more: { strategy: 'table' }, close: () => server.close() };
  },
  async zookeeper() {
    const server = await startZooKeeper();
    return { url: server.url, close: () => server.close() };
  },
  async memory() {
    return { url: 'memory:looks', close: async () => {} };
  },
};

const [store = 'redis', locks = '100000', looks = '5'] = process.argv.slice(2);
const { url, more = {}, close } = await stores[store]();
const config = { url, ...more, commandTimeoutMs: 5_000 };

const filler = await connect(config);
const leases = [];
for (let at = 0; at < Number(locks); at += 500) {
  const names = Array.from({ length: Math.min(500, Number(locks) - at) }, (_, index) => `order:${String(at + index).padStart(7, '0')}`);
  leases.push(await filler.tryAcquireEach(names, { ttlMs: 800_000, renew: false }));
}
const taken = leases.reduce((sum, map) => sum + map.size, 0);
if (taken !== Number(locks)) throw new Error(`${taken} locks were taken`);

const margins = [];
const lost = [];
const manager = await connect({
  ...config,
  onEvent: (event) => {
    if (event.type === 'renewed') margins.push(event.remainingMs / event.ttlMs);
    if (event.type === 'lost') lost.push(event);
  },
});
for (let at = 0; at < OWN; at += 1) await manager.acquire(`zz-own:${at}`, { ttlMs: TTL_MS });

async function phase(title, body) {
  margins.length = 0;
  const delay = monitorEventLoopDelay({ resolution: 5 });
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 50);
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  delay.enable();
  const said = await body();
  delay.disable();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  clearInterval(timer);
  globalThis.gc?.();
  const { heapUsed } = process.memoryUsage();
  console.log(
    `${title}: ${said} ${seconds.toFixed(1)} s, event loop late by ${(delay.max / 1e6).toFixed(0)} ms at most, ${(delay.percentile(99) / 1e6).toFixed(0)} ms (99 %), ` +
      `CPU ${(((user + system) / 1e6 / seconds) * 100).toFixed(0)} %, rss ${(peak / 2 ** 20).toFixed(0)} MiB, heap after ${(heapUsed / 2 ** 20).toFixed(0)} MiB, ` +
      `least margin of ${margins.length} renewals ${margins.length === 0 ? '-' : Math.min(...margins).toFixed(2)}, ${lost.length} lost`,
  );
}

await phase(`${store}, ${locks} locks, nobody looks`, async () => {
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  return '';
});
await phase('page', async () => {
  const page = createLockPage(manager);
  const response = await page(new Request('http://localhost/events?limit=200'));
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const times = [];
  let at = performance.now();
  let text = '';
  let last = null;
  while (times.length < Number(looks)) {
    const { value } = await reader.read();
    text += decoder.decode(value);
    if (!text.endsWith('\n\n')) continue;
    const data = text.match(/data: (.*)\n/)?.[1];
    text = '';
    if (data === undefined) continue;
    last = JSON.parse(data);
    times.push(performance.now() - at);
    at = performance.now();
  }
  page.close();
  return `${last.rows.length} of ${last.total} rows, "${last.notes.join(' ')}", problem ${last.problem}, ${last.changesPerSecond?.toFixed(1)} changes/s, looks after ${times.map((ms) => (ms / 1000).toFixed(2)).join(', ')} s;`;
});
process.exitCode = lost.length > 0 ? 1 : 0;
await manager.close();
await filler.close().catch(() => {});
await close();
