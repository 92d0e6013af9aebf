// Where the time of a hand-over between processes on Redis goes, in µs: eight processes wait for one name, which is handed through all of them. Medians of the
// segments between release, message and grant; beside the floor, a list that is pushed to and popped from. node scripts/measure-hand-over.mjs
// [--warm N]: each process takes and frees N locks before. Needs a built checkout and a redis-server.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

const PROCESSES = 8;
const BURSTS = 14;
/** The first bursts open connections. */
const IGNORED = 2;
const SECTION_MS = 3;

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const built = (path) => import(pathToFileURL(`${top}/${path}`).href);
const { createRedisLockManager } = await built('packages/redis/dist/index.js');
const { Redis } = createRequire(`${top}/packages/redis/package.json`)('ioredis');
/** The same clock in all processes, in µs. */
const now = () => Number(process.hrtime.bigint()) / 1_000;

async function open(kind, url) {
  if (kind !== 'floor') return createRedisLockManager({ url, fair: kind === 'fair' });
  const { hostname, port } = new URL(url);
  const [push, pop] = [new Redis(port, hostname), new Redis(port, hostname)];
  await Promise.all([push.ping(), pop.ping()]);
  return {
    async acquire(name) {
      await pop.blpop(name, 0);
      return { release: () => push.rpush(name, '1') };
    },
    close: () => [push, pop].forEach((client) => client.disconnect()),
  };
}

async function work({ KIND: kind, URL: url, WARM: warm }) {
  let seen = [];
  const [write, emit] = ['write', 'emit'].map((name) => Reflect.get(Socket.prototype, name));
  const isToServer = (socket) => socket.remotePort !== undefined;
  Socket.prototype.write = function (...args) {
    if (isToServer(this)) seen.push(['write', now()]);
    const hasRoom = write.apply(this, args);
    if (isToServer(this)) seen.push(['written', now()]);
    return hasRoom;
  };
  Socket.prototype.emit = function (event, ...args) {
    if (event === 'data' && isToServer(this)) seen.push(['data', now()]);
    return emit.call(this, event, ...args);
  };
  const client = await open(kind, url);
  for (let i = 0; i < Number(warm); i += 1) await (await client.acquire(`warm:${process.pid}:${i % 7}`)).release();
  process.on('disconnect', () => process.exit());
  const section = async (name) => {
    if (name === '') {
      await client.close();
      process.exit();
    }
    const asked = client.acquire(name);
    await setTimeout(10);
    process.send('asked');
    seen = [];
    const lease = await asked;
    const grantedAt = now();
    const before = seen.filter(([, at]) => at <= grantedAt);
    await setTimeout(SECTION_MS);
    seen = [];
    const releasedAt = now();
    await lease.release();
    process.send({ grantedAt, releasedAt, before, after: seen });
  };
  process.on('message', (name) => void section(name));
  process.send('ready');
}

async function measure(kind, url, warm) {
  const workers = Array.from({ length: PROCESSES }, () =>
    fork(fileURLToPath(import.meta.url), { env: { ...process.env, KIND: kind, URL: url, WARM: warm } }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const holder = await open(kind, url);
  const segments = new Map();
  const note = (segment, us) => segments.set(segment, [...(segments.get(segment) ?? []), us]);
  for (let burst = 0; burst < BURSTS; burst += 1) {
    const name = `${kind}:${warm}:${burst}`;
    // The floor's name is taken while its list is empty.
    const lease = kind === 'floor' ? null : await holder.acquire(name);
    const done = [];
    for (const worker of workers) {
      worker.send(name);
      await once(worker, 'message');
      done.push(once(worker, 'message').then(([section]) => section));
    }
    await setTimeout(40);
    if (lease === null) await pushTo(url, name);
    else await lease.release();
    const sections = (await Promise.all(done)).toSorted((one, other) => one.grantedAt - other.grantedAt);
    if (burst < IGNORED) continue;
    for (const [index, { grantedAt, before }] of sections.entries()) {
      const previous = sections[index - 1];
      if (previous === undefined) continue;
      const [wrote, heard] = [previous.after.find(([what]) => what === 'write'), before.findLast(([what]) => what === 'data')];
      if (wrote === undefined || heard === undefined) continue;
      note('until the release is written', wrote[1] - previous.releasedAt);
      note('until the message is read', heard[1] - wrote[1]);
      const confirms = before.find(([what, at]) => what === 'write' && at > heard[1]);
      if (confirms !== undefined) note('of that until the confirmation is written', confirms[1] - heard[1]);
      note('until the grant', grantedAt - heard[1]);
      note('all', grantedAt - previous.releasedAt);
    }
  }
  for (const worker of workers) worker.send('');
  await holder.close();
  return segments;
}

async function pushTo(url, name) {
  const { hostname, port } = new URL(url);
  const client = new Redis(port, hostname);
  await client.rpush(name, '1');
  client.disconnect();
}

async function main() {
  const at = process.argv.indexOf('--warm');
  const warm = at < 0 ? '0' : process.argv[at + 1];
  const { startRedis } = await built('test/dist/servers/index.js');
  const server = await startRedis();
  const kinds = ['floor', 'plain', 'fair'];
  const results = [];
  for (const kind of kinds) results.push(await measure(kind, server.url, kind === 'floor' ? '0' : warm));
  const rows = [
    'until the release is written',
    'until the message is read',
    'until the grant',
    'of that until the confirmation is written',
    'all',
  ];
  const median = (values = []) => values.toSorted((a, b) => a - b)[values.length >> 1]?.toFixed(0) ?? '';
  console.log(`| µs | ${kinds.join(' | ')} |\n| --- |${' --- |'.repeat(kinds.length)}`);
  for (const row of rows) console.log(`| ${row} | ${results.map((segments) => median(segments.get(row))).join(' | ')} |`);
  await server.stop();
}

if (process.env.KIND === undefined) await main();
else await work(process.env);
