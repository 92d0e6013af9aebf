import { execFileSync } from 'node:child_process';
import type { HoldRequest, LockBackend } from '@holdfast/core';
import { createRedisBackend } from '@holdfast/redis';
import { attempt, callOf, newName, requestOf, take } from '@holdfast/test/backend';
import { startRedis, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';

// In a network namespace of its own, as root: the packets of some connections are dropped for a while, and the kernel sends them again
// when their sockets have long been closed. Prints what stood afterwards, as JSON.

const loopback = (command: string, ...words: string[]): void => void execFileSync(command, words, { stdio: 'pipe' });
const drop = (verb: '-A' | '-D', port: string): void => loopback('iptables', verb, 'OUTPUT', '-p', 'tcp', '--sport', port, '-j', 'DROP');

loopback('ip', 'link', 'set', 'lo', 'up');
const server = await startRedis();
const admin = new Redis(server.port);

/** The ports from which connections to the server were made, this one's aside. */
async function ports(): Promise<string[]> {
  const own = `id=${await admin.client('ID')} `;
  const lines = String(await admin.client('LIST')).split('\n');
  return lines.flatMap((line) => (line.startsWith(own) ? [] : (/ addr=[^ ]*:(\d+) /.exec(line)?.[1] ?? [])));
}

async function evalshas(): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1] ?? 0);
}

const stands = async ({ name }: HoldRequest): Promise<boolean> => (await admin.exists(`holdfast:${name}`)) === 1;

const client = new Redis(server.port, { autoResendUnfulfilledCommands: false, disconnectTimeout: 50 });
client.on('error', () => {});
const backends: readonly LockBackend<bigint>[] = [createRedisBackend({ url: server.url }), createRedisBackend({ client })];
for (const backend of backends) await take(backend, requestOf(newName()));
const requests = backends.map(() => requestOf(newName(), 'exclusive', { ttlMs: 60_000 }));

const dropped = await ports();
for (const port of dropped) drop('-A', port);
const asked = backends.map((backend, i) => attempt(backend, requests[i] as HoldRequest, 1000).catch((error: unknown) => error));
// Ours is given up by itself; the user ends theirs, whose kernel goes on sending.
await asked[0];
client.disconnect();
await asked[1];
await client.connect();
const before = await evalshas();
const isFinal = await Promise.all(
  backends.map(async (backend, i) => {
    let answers = 0;
    await until('a final release', async () => {
      const [answer] = await backend.release([requests[i] as HoldRequest], callOf()).catch(() => []);
      if (typeof answer === 'object') answers += 1;
      return typeof answer === 'object' && answer.isFinal;
    });
    return answers;
  }),
);
const releases = isFinal.reduce((sum, count) => sum + count, 0);
for (const port of dropped) drop('-D', port);
await until('the kernel has sent again what was dropped', async () => (await evalshas()) > before + releases, { timeoutMs: 30_000 });
process.stdout.write(JSON.stringify({ dropped: dropped.length, releases: isFinal, stands: await Promise.all(requests.map(stands)) }));
for (const backend of backends) await backend.close();
client.disconnect();
admin.disconnect();
await server.close();
