import assert from 'node:assert/strict';
import {
  type Answer,
  type CallContext,
  type Capabilities,
  type HoldRef,
  type HoldRequest,
  type LockBackend,
  type LockState,
  systemClock,
} from '../../index.js';
import { kindOf } from '../../backend/index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, eventually, granted, isBusy, isFree, queued, SHORT_TTL_MS, SOON_MS, within } from '../expectations.js';
import type { CapabilityName } from '../levels.js';

const TTL_MS = 10_000;
const LIMIT = 3;
/** Of a hold that is to expire, but not before the few calls in between, also on a busy machine. */
const SOON_OVER_MS = 1_200;

/** Rules of the small interface behind a manager that a manager never lets show. */
export const backendCases: readonly ConformanceCase[] = [
  ...(['exclusive', 'read', 'write', 'permits'] as const).map((mode) =>
    backendCase(
      `idempotent-${mode}`,
      `the same request twice is the same hold once (${mode})`,
      needsOf(mode),
      async ({ backend, name }) => {
        const request = holdRequest(mode, name);
        const [first] = await backend.attempt([request], callContext());
        const [second] = await backend.attempt([request], callContext());
        assert.equal(first?.granted, true);
        assert.ok(second?.granted === true, 'a repeated request was refused because of its own hold');
        assert.equal(tokenOf(second), tokenOf(first), 'a repeated request got another token');
        assert.deepEqual(await freed(backend, [request]), [true]);
        assert.deepEqual(await freed(backend, [request]), [false]);
        // The one who needs all of it gets it: nothing of the repeated request stayed.
        const all = holdAll(mode, name);
        const [next] = await backend.attempt([all], callContext());
        assert.equal(next?.granted, true, 'one release left a part of a repeated request');
        await backend.release([all], callContext());
      },
    ),
  ),

  backendCase('owner', 'what another owner renews or releases stays as it was', [], async ({ backend, name }) => {
    const request = holdRequest('exclusive', name, 1, SOON_OVER_MS);
    const stranger: HoldRef = { name, mode: 'exclusive', owner: ownerToken() };
    assert.equal((await backend.attempt([request], callContext()))[0]?.granted, true);
    assert.deepEqual(await backend.renew([{ ...stranger, ttlMs: 60_000 }], callContext()), [false]);
    assert.deepEqual(await freed(backend, [stranger]), [false]);
    const other = holdRequest('exclusive', name);
    assert.equal((await backend.attempt([other], callContext()))[0]?.granted, false, "a stranger's release freed the lock");
    if (backend.capabilities.expiry === 'ttl') {
      await delay(SOON_OVER_MS + 100);
      assert.equal((await backend.attempt([other], callContext()))[0]?.granted, true, "a stranger's renewal prolonged the hold");
      assert.deepEqual(await backend.renew([{ ...request, ttlMs: TTL_MS }], callContext()), [false], 'an expired hold was renewed');
      await backend.release([other], callContext());
    }
    await backend.release([request], callContext());
  }),

  backendCase('renew-never-shortens', 'a renewal with a shorter time leaves the longer one', [], async ({ backend, name }) => {
    const request = holdRequest('exclusive', name);
    await backend.attempt([request], callContext());
    assert.deepEqual(await backend.renew([{ ...request, ttlMs: 100 }], callContext()), [true]);
    await delay(400);
    assert.equal(
      (await backend.attempt([holdRequest('exclusive', name)], callContext()))[0]?.granted,
      false,
      'a renewal shortened the hold',
    );
    assert.deepEqual(await freed(backend, [request]), [true]);
  }),

  backendCase('batches', 'each request of a batch is answered for itself and in its place', [], async ({ backend, name }) => {
    const names = [0, 1, 2, 3, 4].map((index) => `${name}/${index}`);
    const held = [1, 2].map((index) => holdRequest('exclusive', granted(names[index])));
    await backend.attempt(held, callContext());
    const requests = names.map((one) => holdRequest('exclusive', one));
    const answers = await backend.attempt(requests, callContext());
    assert.deepEqual(
      answers.map((answer) => answer.granted),
      [true, false, false, true, true],
    );
    assert.deepEqual(
      await backend.renew(
        requests.map((request) => ({ ...request, ttlMs: TTL_MS })),
        callContext(),
      ),
      [true, false, false, true, true],
    );
    assert.deepEqual(await freed(backend, requests), [true, false, false, true, true]);
    assert.deepEqual(await freed(backend, held), [true, true]);
  }),

  backendCase(
    'busy-says-how-long',
    'busy comes with the rest of the present hold, where the store can tell',
    [],
    async ({ backend, name }) => {
      const request = holdRequest('exclusive', name);
      await backend.attempt([request], callContext());
      const [answer] = await backend.attempt([holdRequest('exclusive', name)], callContext());
      assert.ok(answer !== undefined && !answer.granted);
      assert.ok(answer.remainingMs === null || (answer.remainingMs > 5_000 && answer.remainingMs <= TTL_MS), `${answer.remainingMs}`);
      await backend.release([request], callContext());
    },
  ),

  backendCase(
    'released-in-the-queue',
    'a release takes its owner out of the queue too, and so does an abort',
    [],
    async ({ backend, name }) => {
      if (backend.wait === undefined) return;
      const holder = holdRequest('exclusive', name);
      await backend.attempt([holder], callContext());
      const [released, aborted, patient] = [holdRequest('exclusive', name), holdRequest('exclusive', name), holdRequest('exclusive', name)];
      const controller = new AbortController();
      const first = backend.wait(released, callContext()).then(
        () => 'granted',
        () => 'ended',
      );
      const second = backend.wait(aborted, callContext(controller.signal)).then(
        () => 'granted',
        () => 'ended',
      );
      const look = (): Promise<LockState> => backend.inspect(name, 'lock', callContext());
      await queued(look, 2);
      const third = backend.wait(patient, callContext());
      await queued(look, 3);
      await backend.release([released], callContext());
      controller.abort(new Error('left'));
      assert.deepEqual(await within('those that left', Promise.all([first, second])), ['ended', 'ended']);
      assert.deepEqual(await freed(backend, [holder]), [true]);
      assert.equal((await within('the one behind them', third)).granted, true);
      assert.deepEqual(await freed(backend, [patient, released, aborted]), [true, false, false]);
    },
  ),

  backendCase(
    'next',
    'a release hands on to the request that it names, once, and only from its own owner',
    [],
    async ({ backend, name }) => {
      if (backend.takesNext !== true) return;
      const [first, second, third] = [holdRequest('exclusive', name), holdRequest('exclusive', name), holdRequest('exclusive', name)];
      await backend.attempt([first], callContext());
      const given = await next(backend, first, second);
      assert.ok(given?.granted === true, 'nobody else waits, and the next one was not granted');
      assert.ok(given.fencingToken === null || BigInt(given.fencingToken) > 0n);
      assert.equal((await backend.attempt([third], callContext()))[0]?.granted, false, 'what was handed on is not held');
      assert.deepEqual(await backend.renew([{ ...second, ttlMs: TTL_MS }], callContext()), [true], 'what was handed on is not its owner’s');
      const stolen = await next(backend, first, third);
      assert.ok(stolen?.granted !== true, 'who holds nothing any more has handed on');
      assert.deepEqual(await freed(backend, [third, second]), [false, true]);
      const late = await next(backend, second, third);
      assert.ok(late?.granted !== true, 'who holds nothing has handed on what was free');
      assert.deepEqual(await freed(backend, [third]), [false], 'the store has something of a request that was not granted');
    },
  ),

  ...(['read', 'permits'] as const).map((mode) =>
    backendCase(
      `next-beside-${mode}`,
      `a release hands on to nobody for whom there is no room beside those who stay (${mode})`,
      needsOf(mode),
      async ({ backend, name }) => {
        if (backend.takesNext !== true) return;
        const [leaving, staying] = [holdRequest(mode, name, 1), holdRequest(mode, name, 1)];
        const large = holdAll(mode, name);
        await backend.attempt([leaving], callContext());
        await backend.attempt([staying], callContext());
        const given = await next(backend, leaving, large);
        assert.ok(given?.granted !== true, 'the next one was granted beside one who stays');
        assert.deepEqual(await freed(backend, [large, leaving, staying]), [false, false, true]);
      },
    ),
  ),

  conformanceCase('backend/late-next', {
    title: 'no request that a release names comes to stand behind the release that is the last word on it',
    faults: ['openBackend', 'deliverLate'],
    async run({ faults, name }) {
      const backend = await faults.openBackend();
      if (backend.takesNext !== true) return;
      const [first, second] = [holdRequest('exclusive', name(), 1, 60_000), holdRequest('exclusive', '', 1, 60_000)];
      const named = { ...second, name: first.name };
      await backend.attempt([first], callContext());
      const late = await faults.deliverLate();
      const asked = backend.release([{ ...first, next: named }], callContext(new AbortController().signal, 500)).catch(() => null);
      await late.taken();
      await late.cut();
      await within('the release that is late', asked);
      await freedForGood(backend, named);
      await late.deliver();
      await delay(100);
      await freedForGood(backend, first);
      await standsNoMore(backend, holdRequest('exclusive', first.name));
    },
  }),

  ...(['exclusive', 'read', 'write', 'permits'] as const).map((mode) =>
    conformanceCase(`backend/late-${mode}`, {
      title: `no request comes to stand behind the release that is the last word on it (${mode})`,
      needs: needsOf(mode),
      faults: ['openBackend', 'deliverLate'],
      async run({ faults, name }) {
        const [backend, request] = [await faults.openBackend(), holdRequest(mode, name(), 2, 60_000)];
        const late = await faults.deliverLate();
        const asked = backend.attempt([request], callContext(new AbortController().signal, 500)).catch(() => null);
        await late.taken();
        await late.cut();
        await within('the request that is late', asked);
        await freedForGood(backend, request);
        await late.deliver();
        const other = holdAll(mode, request.name);
        // Nobody says more of it: whatever stands now stands for a minute.
        await delay(100);
        await standsNoMore(backend, other);
      },
    }),
  ),

  ...(['exclusive', 'read', 'write', 'permits'] as const).map((mode) =>
    backendCase(
      `expired-${mode}`,
      `an expired hold does not show, though nobody has freed it (${mode})`,
      needsOf(mode),
      async ({ backend, name }) => {
        if (backend.capabilities.expiry !== 'ttl') return;
        const kind = kindOf(mode);
        const short = { ...holdRequest(mode, name, 1, SHORT_TTL_MS), label: 'short' };
        // Beside the short one, where more than one fits: who lives on shows, and nobody else.
        const long = mode === 'read' || mode === 'permits' ? [{ ...holdRequest(mode, name, 1), label: 'long' }] : [];
        await backend.attempt([short, ...long], callContext());
        const labels = async (): Promise<readonly (string | null)[]> =>
          (await backend.inspect(name, kind, callContext())).holders.map((holder) => holder.label);
        assert.equal((await labels()).length, 1 + long.length);
        await delay(SHORT_TTL_MS + 50);
        const state = await backend.inspect(name, kind, callContext());
        assert.equal(state.held, long.length > 0, 'an expired hold shows in inspect');
        assert.equal(state.holders.length, long.length, 'an expired holder shows in inspect');
        for (const holder of state.holders) assert.ok(holder.label === null || holder.label === 'long', 'inspect shows the wrong one');
        const listed: LockState[] = [];
        for await (const each of backend.list?.(name, callContext()) ?? []) listed.push(each);
        if (backend.list !== undefined) {
          assert.deepEqual(
            listed.map((each) => each.holders.length),
            long.map(() => 1),
            'an expired hold shows in list',
          );
        }
        assert.deepEqual(await freed(backend, [short, ...long]), [false, ...long.map(() => true)]);
      },
    ),
  ),

  conformanceCase('backend/beside-a-manager', {
    title: 'a bare backend is one more client: it and a manager exclude each other',
    faults: ['openBackend'],
    async run({ manager, faults, lock }) {
      const backend = await faults.openBackend();
      assert.equal(backend.contract, 1);
      assert.equal(backend.name, manager.backend);
      assert.deepEqual({ ...backend.capabilities } satisfies Capabilities, { ...manager.capabilities });
      const request = holdRequest('exclusive', lock);
      assert.equal((await backend.attempt([request], callContext()))[0]?.granted, true);
      await isBusy(manager, lock);
      assert.equal((await backend.inspect(lock, 'lock', callContext())).held, true);
      const waiting = manager.acquire(lock, { waitMs: SOON_MS });
      await delay(30);
      assert.deepEqual(await freed(backend, [request]), [true]);
      await (await waiting).release();
      await isFree(manager, lock);
    },
  }),
];

interface BackendWorld {
  readonly backend: LockBackend;
  readonly name: string;
}

function backendCase(
  id: string,
  title: string,
  needs: readonly CapabilityName[],
  run: (world: BackendWorld) => Promise<void>,
): ConformanceCase {
  return conformanceCase(`backend/${id}`, {
    title,
    needs,
    faults: ['openBackend'],
    run: async ({ faults, name }) => run({ backend: await faults.openBackend(), name: name() }),
  });
}

function needsOf(mode: HoldRequest['mode']): readonly CapabilityName[] {
  if (mode === 'exclusive') return [];
  return mode === 'permits' ? ['semaphores'] : ['readWriteLocks'];
}

function holdRequest(mode: HoldRequest['mode'], name: string, permits = 2, ttlMs = TTL_MS): HoldRequest {
  const request = { name, owner: ownerToken(), label: 'conformance', ttlMs };
  return mode === 'permits' ? { ...request, mode, permits, limit: LIMIT } : { ...request, mode };
}

/** A request beside which nobody has anything of the name. */
function holdAll(mode: HoldRequest['mode'], name: string): HoldRequest {
  return holdRequest(mode === 'read' ? 'write' : mode, name, LIMIT);
}

function tokenOf(answer: Answer | undefined): unknown {
  return answer?.granted ? answer.fencingToken : undefined;
}

/** What became of the request that goes with the release of `front`. */
async function next(backend: LockBackend, front: HoldRef, request: HoldRequest): Promise<Answer | null> {
  const [answer] = await backend.release([{ name: front.name, mode: front.mode, owner: front.owner, next: request }], callContext());
  return typeof answer === 'object' ? (answer.next ?? null) : null;
}

/** Of each hold whether its release freed the hold. */
async function freed(backend: LockBackend, holds: readonly HoldRef[]): Promise<readonly boolean[]> {
  const answers = await backend.release(holds, callContext());
  return answers.map((answer) => (typeof answer === 'boolean' ? answer : answer.wasOurs));
}

function ownerToken(): string {
  return crypto.randomUUID().replaceAll('-', '');
}

function callContext(signal: AbortSignal = new AbortController().signal, timeoutMs = 2_000): CallContext {
  return { timeoutMs, signal, clock: systemClock };
}

/** As core does: repeats a release until the backend says that it was the last word. A plain answer is. */
async function freedForGood(backend: LockBackend, request: HoldRequest): Promise<void> {
  await eventually(
    'a release that is final',
    async () => {
      const [answer] = await backend.release([request], callContext()).catch(() => []);
      if (answer === undefined) await delay(50);
      return answer !== undefined && (typeof answer === 'boolean' || answer.isFinal);
    },
    2 * SOON_MS,
  );
}

/** A request that was undone does not stand: `other`, which it would keep out, is granted, and freed again. */
async function standsNoMore(backend: LockBackend, other: HoldRequest): Promise<void> {
  await eventually('a request that was undone does not stand', async () => {
    const [answer] = await backend.attempt([other], callContext()).catch(() => []);
    return answer?.granted === true;
  });
  await backend.release([other], callContext());
}
