import type { CallContext, HoldRequest, LockBackend, LostReason } from '@holdfast/core';
import { createManualClock, type ManualClock } from '@holdfast/core/testing';
import { newName, requestOf } from '@holdfast/test/backend';
import { type PostgresServer, startPostgres, startTcpProxy, type TcpProxy } from '@holdfast/test/servers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { backendOf } from '../src/create-postgres-backend.js';
import { resolvePostgresOptions } from '../src/postgres-options.js';

const SESSION_MS = 15_000;
/** sessionMs and its guard. */
const ENDS_AFTER_MS = 16_000;
/** So long a statement is unanswered before its session is suspect. */
const SUSPECT_AFTER_MS = 2_000;

let server: PostgresServer;
let proxy: TcpProxy;
let clock: ManualClock;
let backend: LockBackend;
let lost: (readonly [owner: string, reason: LostReason])[];
let hold: HoldRequest;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => server?.close());
beforeEach(async () => {
  proxy = await startTcpProxy({ target: server.port });
  clock = createManualClock();
  const options = { connectionString: proxy.urlFor(server.url), sessionMs: SESSION_MS, namespace: newName() };
  backend = backendOf(resolvePostgresOptions('test', options), clock);
  lost = [];
  backend.onLost?.(({ owner }, reason) => lost.push([owner, reason]));
  hold = requestOf(newName(), 'exclusive', { ttlMs: 600_000 });
  expect(await backend.attempt([hold], call())).toMatchObject([{ granted: true }]);
});
afterEach(async () => {
  await proxy.restore();
  await backend.close();
  await proxy.close();
});

function call(): CallContext {
  return { timeoutMs: 60_000, signal: new AbortController().signal, clock };
}

function renewed(): Promise<readonly (boolean | null)[]> {
  return backend.renew([{ ...hold, ttlMs: 600_000 }], call());
}

/** Time goes by in which the server is heard. */
async function speech(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    await clock.advance(1_000);
    expect(await renewed()).toEqual([true]);
  }
}

/** A renewal is unanswered for so long; then the server is heard again. */
async function silence(ms: number): Promise<readonly (boolean | null)[]> {
  proxy.silence();
  const pending = renewed();
  await clock.advance(ms);
  await proxy.restore();
  return pending;
}

describe('a session that is silent', () => {
  it('for less than sessionMs keeps its holds, also soon after another silence', async () => {
    expect(await silence(SUSPECT_AFTER_MS + 600)).toEqual([true]);
    // Up to a moment before the first silence, had it lasted, would have been too long.
    await speech(ENDS_AFTER_MS - SUSPECT_AFTER_MS - 2_000);
    expect(await silence(SUSPECT_AFTER_MS + 2_000)).toEqual([true]);
    expect(await silence(SESSION_MS - 1)).toEqual([true]);
    expect(lost).toEqual([]);
  });

  it('for longer than sessionMs and its guard loses its holds', async () => {
    expect(await silence(SUSPECT_AFTER_MS + 600)).toEqual([true]);
    proxy.silence();
    const pending = renewed().catch(() => 'rejected');
    await clock.advance(ENDS_AFTER_MS - 1);
    expect(lost).toEqual([]);
    await clock.advance(1);
    expect(lost).toEqual([[hold.owner, 'session']]);
    expect(await pending).toBe('rejected');
  });

  it('is left without a timer when it has been closed', async () => {
    await silence(SUSPECT_AFTER_MS);
    await backend.close();
    await clock.advance(60_000);
    expect(clock.pendingTimers).toBe(0);
    expect(lost).toEqual([[hold.owner, 'session']]);
  });
});
