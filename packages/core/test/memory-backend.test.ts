import { once } from 'node:events';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Answer, CallContext, HoldRequest, LockBackend } from '@holdfast/core';
import { createLockManager, isLockError } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore, type ManualClock, type TestMemoryStore } from '@holdfast/core/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { LockTable } from '../src/memory/lock-table.js';

let clock: ManualClock;
let store: TestMemoryStore;
let owners = 0;

beforeEach(() => {
  clock = createManualClock();
  store = createTestMemoryStore({ clock });
});

function ask(mode: 'exclusive' | 'read' | 'write', name = 'x', ttlMs = 1_000): HoldRequest {
  return { name, mode, ttlMs, owner: newOwner(), label: `label of ${mode}` };
}
function permits(count: number, limit: number, ttlMs = 1_000): HoldRequest {
  return { name: 'x', mode: 'permits', permits: count, limit, ttlMs, owner: newOwner(), label: 'p' };
}
function newOwner(): string {
  owners += 1;
  return owners.toString(16).padStart(32, '0');
}
function call(signal = new AbortController().signal): CallContext {
  return { timeoutMs: 1_000, signal, clock };
}
async function attempt(backend: LockBackend<bigint>, request: HoldRequest): Promise<Answer<bigint>> {
  const [answer] = await backend.attempt([request], call());
  if (answer === undefined) throw new Error('no answer');
  return answer;
}
async function take(backend: LockBackend<bigint>, request: HoldRequest): Promise<bigint> {
  const answer = await attempt(backend, request);
  if (!answer.granted) throw new Error(`busy: ${request.mode}`);
  return answer.fencingToken;
}
/** Enrols in the native queue and notes what comes of it. */
function enrol(backend: LockBackend<bigint>, request: HoldRequest, log: string[], tag: string): AbortController {
  const controller = new AbortController();
  if (backend.wait === undefined) throw new Error('not fair');
  backend.wait(request, call(controller.signal)).then(
    () => log.push(tag),
    (error: unknown) =>
      log.push(`${tag}: ${error === controller.signal.reason ? 'aborted' : isLockError(error) ? error.code : String(error)}`),
  );
  return controller;
}
function watch(backend: LockBackend<bigint>, request: HoldRequest, log: string[], tag: string): { close(): void } {
  const subscription = backend.subscribe?.(request, () => log.push(tag));
  if (subscription === undefined) throw new Error('no subscriptions');
  return subscription;
}

describe('holds', () => {
  it('exclude each other over all backends of one store, and not over stores', async () => {
    const [a, b] = [createMemoryBackend({ store }), createMemoryBackend({ store })];
    const held = ask('exclusive');
    await take(a, held);
    expect(await attempt(b, ask('exclusive'))).toEqual({ granted: false, remainingMs: 1_000 });
    expect((await attempt(createMemoryBackend(), ask('exclusive'))).granted).toBe(true);
    expect(await a.release([held], call())).toEqual([true]);
    expect((await attempt(b, ask('exclusive'))).granted).toBe(true);
  });

  it('of lock x, semaphore x and read/write x are separate', async () => {
    const backend = createMemoryBackend({ store });
    await take(backend, ask('exclusive'));
    await take(backend, ask('write'));
    await take(backend, permits(2, 2));
    expect((await attempt(backend, ask('read'))).granted).toBe(false);
    expect((await attempt(backend, permits(1, 2))).granted).toBe(false);
  });

  it('expire by the clock of the store, at their time and not before', async () => {
    const backend = createMemoryBackend({ store });
    const held = ask('exclusive');
    await take(backend, held);
    await clock.advance(999);
    expect((await attempt(backend, ask('exclusive'))).granted).toBe(false);
    await clock.advance(1);
    expect(await backend.renew([held], call())).toEqual([false]);
    expect(await backend.release([held], call())).toEqual([false]);
    await take(backend, ask('exclusive'));
    // The late owner leaves the next one alone.
    expect(await backend.release([held], call())).toEqual([false]);
    expect((await attempt(backend, ask('exclusive'))).granted).toBe(false);
  });

  it('expire by the clock of the first manager, where the store was given none', async () => {
    for (const shared of [createTestMemoryStore(), undefined]) {
      const [first, other] = [createManualClock(), createManualClock()];
      const mine = createLockManager(createMemoryBackend({ store: shared }), { clock: first });
      const theirs = shared === undefined ? mine : createLockManager(createMemoryBackend({ store: shared }), { clock: other });
      await mine.acquire('x', { ttlMs: 1_000, renew: false });
      await other.advance(60_000);
      expect(await theirs.tryAcquire('x')).toBeNull();
      await first.advance(1_100);
      expect((await theirs.tryAcquire('x'))?.isHeld).toBe(true);
      await Promise.all([mine.close(), theirs.close()]);
    }
  });

  it('do not expire because the wall clock was set', async () => {
    const backend = createMemoryBackend({ store });
    await take(backend, ask('exclusive'));
    clock.jumpWall(86_400_000);
    expect((await attempt(backend, ask('exclusive'))).granted).toBe(false);
  });

  it('are renewed to now + ttl and never shortened', async () => {
    const backend = createMemoryBackend({ store });
    const held = ask('exclusive');
    await take(backend, held);
    expect(await backend.renew([{ ...held, ttlMs: 100 }], call())).toEqual([true]);
    await clock.advance(900);
    expect(await backend.renew([{ ...held, ttlMs: 500 }], call())).toEqual([true]);
    await clock.advance(499);
    expect((await backend.inspect('x', 'lock', call())).holders[0]?.remainingMs).toBe(1);
    await clock.advance(1);
    expect((await backend.inspect('x', 'lock', call())).held).toBe(false);
  });

  it('are answered again with the same token to the same owner, for the time that is asked now', async () => {
    const backend = createMemoryBackend({ store });
    const held = ask('exclusive');
    const token = await take(backend, held);
    await clock.advance(600);
    expect(await take(backend, held)).toBe(token);
    await clock.advance(600);
    expect((await attempt(backend, ask('exclusive'))).granted).toBe(false);
  });

  it('are owner-checked one by one in a batch', async () => {
    const backend = createMemoryBackend({ store });
    const [a, b] = [ask('exclusive', 'a'), ask('exclusive', 'b')];
    const answers = await backend.attempt([a, b, { ...ask('exclusive', 'a') }], call());
    expect(answers.map(({ granted }) => granted)).toEqual([true, true, false]);
    expect(await backend.renew([{ ...a, owner: newOwner() }, b], call())).toEqual([false, true]);
    expect(await backend.release([{ ...a, owner: newOwner() }, b], call())).toEqual([false, true]);
    expect(await backend.release([a, b], call())).toEqual([true, false]);
  });

  it('have tokens that rise over release, expiry, forced release and a flush', async () => {
    const backend = createMemoryBackend({ store });
    const tokens: bigint[] = [];
    const first = ask('exclusive');
    tokens.push(await take(backend, first));
    await backend.release([first], call());
    tokens.push(await take(backend, ask('exclusive')));
    await clock.advance(1_000);
    tokens.push(await take(backend, ask('exclusive')));
    await backend.forceRelease('x', 'lock', call());
    tokens.push(await take(backend, ask('exclusive')));
    store.deleteAll();
    tokens.push(await take(backend, ask('exclusive')));
    expect(tokens).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)));
    expect(new Set(tokens).size).toBe(5);
    expect(tokens[0]).toBeGreaterThan(BigInt(clock.wall() - 10_000) * 1000n);
  });

  it('are answered asynchronously', async () => {
    const backend = createMemoryBackend({ store });
    let isAnswered = false;
    const answer = attempt(backend, ask('exclusive')).then(() => {
      isAnswered = true;
    });
    expect(isAnswered).toBe(false);
    await answer;
  });
});

describe('read/write locks and semaphores', () => {
  it('admit many readers or one writer', async () => {
    const backend = createMemoryBackend({ store });
    const readers = [ask('read'), ask('read', 'x', 3_000)];
    for (const reader of readers) await take(backend, reader);
    // A writer waits for the last of them.
    expect(await attempt(backend, ask('write'))).toEqual({ granted: false, remainingMs: 3_000 });
    await backend.release(readers, call());
    const writer = ask('write');
    const token = await take(backend, writer);
    expect((await attempt(backend, ask('read'))).granted).toBe(false);
    await backend.release([writer], call());
    expect(await take(backend, ask('read'))).toBeGreaterThan(token);
  });

  it('reach the limit of a semaphore and never exceed it, with mixed ttls', async () => {
    const backend = createMemoryBackend({ store });
    await take(backend, permits(1, 3, 60_000));
    const short = permits(2, 3, 1_000);
    await take(backend, short);
    expect(await attempt(backend, permits(2, 3))).toEqual({ granted: false, remainingMs: 1_000 });
    expect(await attempt(backend, permits(3, 3))).toEqual({ granted: false, remainingMs: 60_000 });
    await clock.advance(1_000);
    expect(await backend.release([short], call())).toEqual([false]);
    await take(backend, permits(2, 3));
    expect((await attempt(backend, permits(1, 3))).granted).toBe(false);
  });

  it('count against the limit that each request names', async () => {
    const backend = createMemoryBackend({ store });
    await take(backend, permits(2, 2));
    expect((await attempt(backend, permits(1, 2))).granted).toBe(false);
    expect((await attempt(backend, permits(1, 3))).granted).toBe(true);
    expect((await attempt(backend, permits(1, 2))).granted).toBe(false);
  });

  it('have no tokens for permits where they are shown', async () => {
    const backend = createMemoryBackend({ store });
    await take(backend, permits(2, 2));
    const state = await backend.inspect('x', 'semaphore', call());
    expect(state.holders).toEqual([{ label: 'p', mode: 'permits', permits: 2, remainingMs: 1_000, fencingToken: null, heldMs: 0 }]);
  });
});

describe('the native queue', () => {
  it('hands the hold over in the order of enrolment, over all backends', async () => {
    const backends = [createMemoryBackend({ store }), createMemoryBackend({ store }), createMemoryBackend({ store })];
    const log: string[] = [];
    const requests = Array.from({ length: 9 }, () => ask('exclusive'));
    for (const [i, request] of requests.entries()) {
      const backend = backends[i % 3];
      if (backend !== undefined) enrol(backend, request, log, `${i}`);
    }
    await clock.settle();
    expect(log).toEqual(['0']);
    for (const [i, request] of requests.entries()) {
      expect(await backends[(i + 1) % 3]?.release([request], call())).toEqual([true]);
      await clock.settle();
    }
    expect(log).toEqual(requests.map((_, i) => `${i}`));
    expect(store.size).toBe(0);
  });

  it('stamps a grant at its hand-over, however old the enrolment is', async () => {
    const backend = createMemoryBackend({ store });
    const held = ask('exclusive', 'x', 5_000);
    await take(backend, held);
    const grant = backend.wait?.(ask('exclusive'), call());
    await clock.advance(4_000);
    clock.jumpWall(77);
    await backend.release([held], call());
    await expect(grant).resolves.toMatchObject({ granted: true, stamp: { now: 4_000, wall: clock.wall() } });
    expect((await backend.inspect('x', 'lock', call())).holders[0]?.remainingMs).toBe(1_000);
  });

  it('serves the head when the hold expires, with no timer while nobody waits', async () => {
    const backend = createMemoryBackend({ store });
    const held = ask('exclusive');
    await take(backend, held);
    expect(clock.pendingTimers).toBe(0);
    const log: string[] = [];
    enrol(backend, ask('exclusive', 'x', 500), log, 'a');
    enrol(backend, ask('exclusive', 'x', 500), log, 'b');
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(600);
    await backend.renew([held], call());
    await clock.advance(999);
    expect(log).toEqual([]);
    await clock.advance(1);
    expect(log).toEqual(['a']);
    await clock.advance(500);
    expect(log).toEqual(['a', 'b']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('makes an attempt of anybody busy while somebody is queued', async () => {
    const backend = createMemoryBackend({ store });
    const reader = ask('read');
    await take(backend, reader);
    const log: string[] = [];
    const writer = enrol(backend, ask('write'), log, 'w');
    expect((await attempt(backend, ask('read'))).granted).toBe(false);
    expect((await attempt(createMemoryBackend({ store, fair: false }), ask('read'))).granted).toBe(false);
    // Its own grant is still answered to the reader that has it.
    expect((await attempt(backend, reader)).granted).toBe(true);
    writer.abort();
    expect((await attempt(backend, ask('read'))).granted).toBe(true);
  });

  it('grants as many as fit, and no small request overtakes a large one', async () => {
    const backend = createMemoryBackend({ store });
    const [a, b] = [permits(2, 4), permits(2, 4)];
    await take(backend, a);
    await take(backend, b);
    const log: string[] = [];
    enrol(backend, permits(3, 4), log, 'three');
    enrol(backend, permits(1, 4), log, 'one');
    enrol(backend, permits(1, 4), log, 'another');
    await backend.release([a], call());
    await clock.settle();
    expect(log).toEqual([]);
    await backend.release([b], call());
    await clock.settle();
    expect(log).toEqual(['three', 'one']);
  });

  it('lets readers in together, up to the first writer', async () => {
    const backend = createMemoryBackend({ store });
    const writer = ask('write');
    await take(backend, writer);
    const log: string[] = [];
    for (const [i, mode] of (['read', 'read', 'write', 'read'] as const).entries()) enrol(backend, ask(mode), log, `${mode} ${i}`);
    await backend.release([writer], call());
    await clock.settle();
    expect(log).toEqual(['read 0', 'read 1']);
    await clock.advance(1_000);
    expect(log).toEqual(['read 0', 'read 1', 'write 2']);
    await clock.advance(1_000);
    expect(log.at(-1)).toBe('read 3');
  });

  it('passes the turn on when the head gives up, and leaves nothing behind', async () => {
    const backend = createMemoryBackend({ store });
    const held = permits(3, 4);
    await take(backend, held);
    const log: string[] = [];
    const large = enrol(backend, permits(4, 4), log, 'large');
    enrol(backend, permits(1, 4), log, 'small');
    await clock.settle();
    expect(log).toEqual([]);
    large.abort();
    await clock.settle();
    expect([...log].sort()).toEqual(['large: aborted', 'small']);
    await clock.advance(1_000);
    expect(store.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not enrol what was aborted before', async () => {
    const backend = createMemoryBackend({ store });
    const log: string[] = [];
    await expect(backend.wait?.(ask('exclusive'), call(AbortSignal.abort(new Error('mine'))))).rejects.toThrow('mine');
    expect(log).toEqual([]);
    expect(store.size).toBe(0);
  });

  it('grants nothing to waits that one signal ends together', async () => {
    const backend = createMemoryBackend({ store });
    const held = permits(1, 2);
    await take(backend, held);
    const controller = new AbortController();
    const waits = [permits(2, 2), permits(1, 2), permits(1, 2)].map((request) => backend.wait?.(request, call(controller.signal)));
    controller.abort(new Error('together'));
    for (const wait of waits) await expect(wait).rejects.toThrow('together');
    expect((await backend.inspect('x', 'semaphore', call())).holders).toHaveLength(1);
  });

  it('holds one place for an owner that asks twice', async () => {
    const backend = createMemoryBackend({ store });
    const held = ask('exclusive');
    await take(backend, held);
    const twice = ask('exclusive');
    const [first, second] = [backend.wait?.(twice, call()), backend.wait?.(twice, call())];
    expect((await backend.inspect('x', 'lock', call())).waiters).toBe(1);
    await backend.release([held], call());
    const grant = await first;
    await expect(second).resolves.toMatchObject({ fencingToken: grant?.fencingToken });
    await expect(backend.wait?.(twice, call())).resolves.toMatchObject({ fencingToken: grant?.fencingToken });
  });

  it('forgets a queued owner that is released', async () => {
    const backend = createMemoryBackend({ store });
    const held = ask('exclusive');
    await take(backend, held);
    const queued = ask('exclusive');
    const log: string[] = [];
    enrol(backend, queued, log, 'queued');
    expect(await backend.release([queued], call())).toEqual([false]);
    await clock.settle();
    expect(log).toEqual(['queued: LOCK_BACKEND_UNAVAILABLE']);
    await backend.release([held], call());
    expect(store.size).toBe(0);
  });

  it('loses the waiters of a backend that closes, and keeps the holds', async () => {
    const [leaving, staying] = [createMemoryBackend({ store }), createMemoryBackend({ store })];
    const held = ask('exclusive');
    await take(leaving, held);
    const log: string[] = [];
    enrol(leaving, ask('exclusive'), log, 'leaving');
    enrol(leaving, ask('exclusive'), log, 'leaving');
    enrol(staying, ask('exclusive'), log, 'staying');
    await leaving.close();
    await leaving.close();
    await clock.settle();
    expect(log).toEqual(['leaving: LOCK_BACKEND_UNAVAILABLE', 'leaving: LOCK_BACKEND_UNAVAILABLE']);
    await expect(leaving.attempt([ask('exclusive')], call())).rejects.toSatisfy((error) => isLockError(error, 'LOCK_BACKEND_UNAVAILABLE'));
    await clock.advance(1_000);
    expect(log.at(-1)).toBe('staying');
  });
});

describe('subscriptions', () => {
  const plain = (): LockBackend<bigint> => createMemoryBackend({ store, fair: false });

  it('are woken head first, as many as fit, and never from inside the call that frees', async () => {
    const backend = plain();
    const held = permits(3, 3);
    await take(backend, held);
    const log: string[] = [];
    const peers = [plain(), plain(), plain()];
    const requests = [permits(1, 3), permits(2, 3), permits(1, 3)];
    for (const [i, peer] of peers.entries()) watch(peer, requests[i] ?? permits(1, 3), log, `${i}`);
    const freed = backend.release([held], call());
    expect(log).toEqual([]);
    await freed;
    expect(log).toEqual(['0', '1']);
  });

  it('of a large request are not overtaken by small ones', async () => {
    const backend = plain();
    const [a, b] = [permits(2, 3), permits(1, 3)];
    await backend.attempt([a, b], call());
    const log: string[] = [];
    const large = watch(plain(), permits(3, 3), log, 'large');
    watch(plain(), permits(1, 3), log, 'small');
    await backend.release([a], call());
    expect(log).toEqual([]);
    large.close();
    await clock.settle();
    expect(log).toEqual(['small']);
  });

  it('are woken by expiry and by a forced release', async () => {
    const backend = plain();
    await take(backend, ask('exclusive'));
    const log: string[] = [];
    const request = ask('exclusive');
    watch(backend, request, log, 'woken');
    await clock.advance(999);
    expect(log).toEqual([]);
    await clock.advance(1);
    expect(log).toEqual(['woken']);
    await take(backend, request);
    await backend.forceRelease('x', 'lock', call());
    await clock.settle();
    expect(log).toEqual(['woken', 'woken']);
  });

  it('pass the wake on when they close without having asked', async () => {
    const [a, b] = [plain(), plain()];
    const held = ask('exclusive');
    await take(a, held);
    const log: string[] = [];
    const first = watch(a, ask('exclusive'), log, 'a');
    watch(b, ask('exclusive'), log, 'b');
    await a.release([held], call());
    expect(log).toEqual(['a']);
    first.close();
    first.close();
    await clock.settle();
    expect(log).toEqual(['a', 'b']);
  });

  it('are not woken twice for one release, and again after an attempt that found it busy', async () => {
    const [a, b] = [plain(), plain()];
    const held = ask('exclusive');
    await take(a, held);
    const log: string[] = [];
    watch(a, ask('exclusive'), log, 'a');
    await a.release([held], call());
    const overtaker = ask('exclusive');
    await take(b, overtaker);
    expect((await attempt(a, ask('exclusive'))).granted).toBe(false);
    expect(log).toEqual(['a']);
    await b.release([overtaker], call());
    expect(log).toEqual(['a', 'a']);
  });

  it('of a writer keep later readers out, so that readers who overlap do not starve it', async () => {
    const [early, writer, late] = [plain(), plain(), plain()];
    const reader = ask('read');
    await take(early, reader);
    const log: string[] = [];
    watch(writer, ask('write'), log, 'writer');
    expect((await attempt(late, ask('read'))).granted).toBe(false);
    watch(late, ask('read'), log, 'late reader');
    expect((await attempt(late, ask('read'))).granted).toBe(false);
    await early.release([reader], call());
    expect(log).toEqual(['writer']);
    const written = ask('write');
    await take(writer, written);
    await writer.release([written], call());
    expect(log).toEqual(['writer', 'writer']);
  });

  it('of a reader that came before a writer let it in', async () => {
    const [holder, reader, writer] = [plain(), plain(), plain()];
    const held = ask('write');
    await take(holder, held);
    const log: string[] = [];
    watch(reader, ask('read'), log, 'reader');
    watch(writer, ask('write'), log, 'writer');
    await holder.release([held], call());
    expect(log).toEqual(['reader']);
    expect((await attempt(reader, ask('read'))).granted).toBe(true);
  });

  it('end with their backend', async () => {
    const [a, b] = [plain(), plain()];
    const held = ask('exclusive');
    await take(b, held);
    const log: string[] = [];
    watch(a, ask('exclusive'), log, 'a');
    await a.close();
    await b.release([held], call());
    await clock.settle();
    expect(log).toEqual([]);
    expect(store.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('what operators see', () => {
  it('is who holds, until when, and how many wait', async () => {
    const backend = createMemoryBackend({ store });
    const token = await take(backend, ask('exclusive'));
    enrol(backend, ask('exclusive'), [], '');
    await clock.advance(300);
    expect(await backend.inspect('x', 'lock', call())).toEqual({
      name: 'x',
      kind: 'lock',
      held: true,
      holders: [{ label: 'label of exclusive', mode: 'exclusive', permits: 1, remainingMs: 700, fencingToken: token, heldMs: 300 }],
      waiters: 1,
      oldestWaitMs: 300,
    });
    expect(await backend.inspect('y', 'lock', call())).toEqual({
      name: 'y',
      kind: 'lock',
      held: false,
      holders: [],
      waiters: 0,
      oldestWaitMs: null,
    });
  });

  it('is a list of what is held now, by prefix', async () => {
    const backend = createMemoryBackend({ store });
    await take(backend, ask('exclusive', 'a:1', 500));
    await take(backend, ask('exclusive', 'a:2'));
    await take(backend, ask('read', 'a:2'));
    await take(backend, ask('exclusive', 'b'));
    await clock.advance(500);
    const found: string[] = [];
    for await (const { name, kind } of backend.list?.('a:', call()) ?? []) found.push(`${kind} ${name}`);
    expect(found).toEqual(['lock a:2', 'read-write a:2']);
  });

  it('is whether a forced release found a holder', async () => {
    const backend = createMemoryBackend({ store });
    const held = ask('exclusive');
    await take(backend, held);
    expect(await backend.forceRelease('x', 'semaphore', call())).toBe(false);
    expect(await backend.forceRelease('x', 'lock', call())).toBe(true);
    expect(await backend.forceRelease('x', 'lock', call())).toBe(false);
    expect(await backend.renew([held], call())).toEqual([false]);
  });

  it('is listed in pages, other work of the process between, each name once', async () => {
    const backend = createMemoryBackend({ store });
    const names = Array.from({ length: 1_700 }, (_, index) => `n${index}`);
    const holds = names.map((name) => ask('exclusive', name));
    await backend.attempt(holds, call());
    let turns = 0;
    let work = setImmediate(function again() {
      turns += 1;
      work = setImmediate(again);
    });
    const found: string[] = [];
    for await (const { name } of backend.list?.('n', call()) ?? []) {
      found.push(name);
      // Freed and taken anew while the list goes on, behind all others; and one that the list has not reached.
      if (name === 'n3')
        await backend.release(
          holds.filter(({ name: each }) => ['n3', 'n1600'].includes(each)),
          call(),
        );
      if (name === 'n4') await attempt(backend, ask('exclusive', 'n3'));
    }
    clearImmediate(work);
    expect(turns).toBeGreaterThanOrEqual(3);
    expect(found).toEqual(names.filter((name) => name !== 'n1600'));
  });
});

describe('marks', () => {
  it('stand for their retention, which a second setter does not change', async () => {
    const { marks } = createMemoryBackend({ store });
    expect(await marks?.set('done', 1_000, call())).toBe(true);
    await clock.advance(999);
    expect(await marks?.set('done', 5_000, call())).toBe(false);
    expect(await marks?.has('done', call())).toBe(true);
    await clock.advance(1);
    expect(await marks?.has('done', call())).toBe(false);
    expect(await marks?.set('done', 1_000, call())).toBe(true);
  });
});

describe('the table of a store', () => {
  it('does not grow with names that are taken once and never freed', () => {
    const table = new LockTable(clock);
    for (let i = 0; i < 2_000; i += 1) {
      table.attempt(table, ask('exclusive', `name ${i}`, 10));
      table.marks.set(`mark ${i}`, 10);
      clock.block(1);
    }
    // About ten are alive at any moment, and two are looked at for each that comes.
    expect(table.retained).toBeLessThan(50);
    expect(table.marks.retained).toBeLessThan(50);
    clock.block(10);
    expect([table.size, table.retained, table.marks.size, table.marks.retained]).toEqual([0, 0, 0, 0]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('hands 2,000 waiters on one name over without going through the queue for each', () => {
    const table = new LockTable(clock);
    const requests = Array.from({ length: 2_000 }, () => ask('exclusive'));
    const granted: HoldRequest[] = [];
    for (const request of requests) {
      table.enqueue({
        request,
        since: 0,
        handOver(grant) {
          grant();
          granted.push(request);
        },
        dismiss() {},
      });
    }
    for (const request of requests) expect(table.release(request)).toBe(true);
    expect(granted).toEqual(requests);
    expect(table.retained).toBe(0);
  });
});

describe('options', () => {
  it.each([
    ['store', { store: {} }],
    ['fair', { fair: 1 }],
    ['fiar', { fiar: true }],
  ])('refuse a wrong %s', (option, options) => {
    expect(() => createMemoryBackend(options as never)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option }));
  });

  it('refuse a clock that is none', () => {
    expect(() => createTestMemoryStore({ clock: { now: 1 } as never })).toThrow(expect.objectContaining({ option: 'clock' }));
  });
});

it('a worker thread is warned once that its locks in memory keep out nobody else', async () => {
  const memory = pathToFileURL(createRequire(import.meta.url).resolve('@holdfast/core/memory')).href;
  const program = `
    const { parentPort } = require('node:worker_threads');
    const codes = [];
    process.on('warning', ({ code }) => codes.push(code));
    import(${JSON.stringify(memory)}).then(async ({ createMemoryLockManager }) => {
      const managers = [createMemoryLockManager(), createMemoryLockManager()];
      await Promise.all(managers.map((locks) => locks.withLock('x', () => {})));
      setImmediate(() => parentPort.postMessage(codes));
    });`;
  const worker = new Worker(program, { eval: true });
  const [codes] = (await once(worker, 'message')) as [readonly string[]];
  await worker.terminate();
  expect(codes).toEqual(['HOLDFAST_MEMORY_THREAD']);
});
