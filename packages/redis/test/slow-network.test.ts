import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { newName } from '@holdfast/test/backend';
import { spawnScript } from '@holdfast/test/servers';
import { expect, it, onTestFinished } from 'vitest';
import { useRedis } from './redis-harness.js';

const redis = useRedis();

const DELAY_MS = 50;
const JITTER_MS = 200;
const LASTS_MS = 8_000;

/** Every packet takes a while, and some take longer; what was sent first comes first. */
async function slowWayTo(port: number): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      // One after the other: two timers that are due together fire in either order when the event loop is late.
      let sent = Promise.resolve();
      from.on('data', (chunk) => {
        const dueAt = performance.now() + DELAY_MS + Math.random() * JITTER_MS;
        sent = sent.then(async () => {
          await sleep(Math.max(0, dueAt - performance.now()));
          to.write(chunk);
        });
      });
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

it.each([true, false])('a slow network and processes that stand still cost no lease (fair: %s)', { timeout: 120_000 }, async (fair) => {
  const url = `redis://127.0.0.1:${await slowWayTo(redis.server.port)}`;
  const name = newName();
  const script = new URL('./slow-network-process.ts', import.meta.url);
  const runs = await Promise.all(
    [1, 2, 3].map(async (seed) => {
      const child = spawnScript<{ grants: number; lost: readonly string[] }>(script, [
        url,
        name,
        String(fair),
        String(LASTS_MS),
        String(seed),
      ]);
      return child.next(() => true, LASTS_MS + 60_000);
    }),
  );
  expect(runs.flatMap(({ lost }) => lost)).toEqual([]);
  for (const { grants } of runs) expect(grants).toBeGreaterThan(0);
});
