import type { HoldRequest, LockBackend } from '@holdfast/core';
import { attempt, callOf, free, requestOf, take } from '@holdfast/test/backend';
import { startTcpProxy, startZooKeeperEnsemble, until, type ZooKeeperEnsemble } from '@holdfast/test/servers';
import { createZooKeeperBackend } from '@holdfast/zookeeper';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MOST_SESSIONS } from '../src/session-pool.js';
import { Admin, newRoot } from './zookeeper-harness.js';

/** A busy machine is no silence, and all sessions end in time. */
const SESSION_MS = 10_000;

let ensemble: ZooKeeperEnsemble;

beforeAll(async () => {
  ensemble = await startZooKeeperEnsemble();
});
afterAll(() => ensemble.close());

/** The longest that a name may be, and in a path three times as long. */
const longName = (index: number): string => String(index).padStart(4, '0') + 'é'.repeat(254);

/** Takes as many as it gets. */
async function takeAll(backend: LockBackend<bigint>, most: number): Promise<{ readonly held: HoldRequest[]; readonly refusal: unknown }> {
  const held: HoldRequest[] = [];
  let refusal: unknown = null;
  for (let at = 0; at < most && refusal === null; at += 50) {
    const requests = Array.from({ length: 50 }, (_, index) => requestOf(longName(at + index), 'exclusive', { ttlMs: 60_000 }));
    const outcomes = await Promise.allSettled(requests.map((request) => attempt(backend, request, 20_000)));
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') refusal ??= outcome.reason;
      else if (outcome.value.granted) held.push(requests[index] as HoldRequest);
    }
  }
  return { held, refusal };
}

it('as many holds as a backend takes, all lost at once, leave servers that start again after a crash', async () => {
  const root = newRoot();
  const servers = ensemble.members.map(({ host, port }) => `${host}:${port}`).join(',');
  const proxy = await startTcpProxy({ target: ensemble.members[0]?.port ?? 0 });
  const backend = createZooKeeperBackend({ connectionString: `127.0.0.1:${proxy.port}`, root, sessionTimeoutMs: SESSION_MS });
  const other = createZooKeeperBackend({ connectionString: servers, root, sessionTimeoutMs: SESSION_MS });

  const { held, refusal } = await takeAll(backend, 5000);
  expect(refusal).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
  expect(String(refusal)).toMatch(/full/);
  expect(held.length).toBeGreaterThan(2000);
  const admin = await Admin.open(ensemble.members[1]?.port ?? 0);
  expect(await admin.children(`${root}/sessions`)).toHaveLength(MOST_SESSIONS);
  // What is held in any of them is kept, seen and freed.
  const renewed = await backend.renew(
    held.map((request) => ({ ...request, ttlMs: 60_000 })),
    callOf(20_000),
  );
  expect(renewed.every((isHeld) => isHeld === true)).toBe(true);
  const last = held.at(-1) as HoldRequest;
  expect((await backend.inspect(last.name, 'lock', callOf())).held).toBe(true);
  expect(await free(backend, last)).toBe(true);
  await take(backend, { ...last, owner: requestOf('').owner });

  await proxy.refuse();
  const names = async (): Promise<number> => (await admin.children(`${root}/sessions`)).length;
  await until('the sessions have ended', async () => (await names()) === 0, { timeoutMs: 40_000 });
  admin.close();
  for (const member of ensemble.members) await member.kill();
  await Promise.all(ensemble.members.map((member) => member.restart()));
  const again = requestOf(last.name);
  await until('it serves', async () => (await attempt(other, again).catch(() => null))?.granted === true, { timeoutMs: 30_000 });
  expect(await free(other, again)).toBe(true);
  await Promise.all([backend.close(), other.close()]);
  await proxy.close();
}, 120_000);
