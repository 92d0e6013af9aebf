import type { HoldRequest } from '@holdfast/core';
import { createManualClock } from '@holdfast/core/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Waiter, Watcher } from '../src/memory/lock-entry.js';
import { LockTable } from '../src/memory/lock-table.js';

// The rules of one name, once more and in the plainest way, to hold the table against.

const LIMIT = 3;

interface Hold {
  readonly request: HoldRequest;
  readonly fencingToken: bigint;
  expiresAt: number;
}

function excludes(holds: readonly HoldRequest[], request: HoldRequest): boolean {
  if (request.mode === 'permits') {
    const taken = holds.reduce((sum, hold) => sum + (hold.mode === 'permits' ? hold.permits : 0), 0);
    return taken + request.permits > LIMIT;
  }
  const others = holds.filter(({ mode }) => (mode === 'exclusive') === (request.mode === 'exclusive') && mode !== 'permits');
  return request.mode === 'read' ? others.some(({ mode }) => mode === 'write') : others.length > 0;
}

class Model {
  readonly clock = createManualClock();
  readonly table = new LockTable(this.clock);
  readonly holds: Hold[] = [];
  readonly queue: { readonly waiter: Waiter; isServed: boolean }[] = [];
  readonly watchers: Watcher[] = [];
  #owners = 0;
  #lastToken = 0n;

  live(): readonly HoldRequest[] {
    return this.holds.filter(({ expiresAt }) => expiresAt > this.clock.now()).map(({ request }) => request);
  }

  request(mode: HoldRequest['mode'], ttlMs: number): HoldRequest {
    this.#owners += 1;
    const common = { name: 'x', owner: String(this.#owners), label: '', ttlMs };
    return mode === 'permits' ? { ...common, mode, permits: 1 + (ttlMs % LIMIT), limit: LIMIT } : { ...common, mode };
  }

  granted(request: HoldRequest, fencingToken: bigint): void {
    expect(excludes(this.live(), request)).toBe(false);
    expect(fencingToken).toBeGreaterThan(this.#lastToken);
    this.#lastToken = fencingToken;
    this.holds.push({ request, fencingToken, expiresAt: this.clock.now() + request.ttlMs });
  }

  attempt(request: HoldRequest, client: object): void {
    const waiting = this.queue.filter(({ isServed, waiter }) => !isServed && !areApart(waiter.request, request));
    const isFree = !excludes(this.live(), request);
    const answer = this.table.attempt(client, request);
    if (answer.granted) {
      expect(isFree && waiting.length === 0).toBe(true);
      this.granted(request, answer.fencingToken);
      return;
    }
    // Busy must have a reason: a holder, somebody queued, or a writer that came first.
    const isBehindWriter = request.mode === 'read' && this.watchers.some((watcher) => watcher.request.mode === 'write');
    expect(!isFree || waiting.length > 0 || isBehindWriter).toBe(true);
  }

  enqueue(request: HoldRequest): void {
    const place: { readonly waiter: Waiter; isServed: boolean } = {
      isServed: false,
      waiter: {
        request,
        since: this.clock.now(),
        handOver: (grant) => {
          place.isServed = true;
          this.granted(request, grant());
        },
        dismiss: () => {
          place.isServed = true;
        },
      },
    };
    this.queue.push(place);
    this.table.enqueue(place.waiter);
  }

  watch(request: HoldRequest): void {
    const watcher: Watcher = { request, since: this.clock.now(), client: {}, isWoken: false, wake: () => {} };
    this.watchers.push(watcher);
    this.table.watch(watcher);
  }

  /** Nobody sleeps while it could go on: the first in the queue does not fit, and the first watcher does not or was woken. */
  checkNobodySleeps(): void {
    for (const kind of ['exclusive', 'read', 'permits'] as const) {
      const same = (request: HoldRequest): boolean => !areApart(request, { ...request, mode: kind } as HoldRequest);
      const first = this.queue.find(({ isServed, waiter }) => !isServed && same(waiter.request));
      if (first !== undefined) {
        expect(excludes(this.live(), first.waiter.request)).toBe(true);
        continue;
      }
      const watcher = this.watchers.find(({ request }) => same(request));
      if (watcher !== undefined && !watcher.isWoken)
        expect(this.wasAnswered.has(watcher) || excludes(this.live(), watcher.request)).toBe(true);
    }
  }

  /** Watchers that asked since they were woken, or came when it was free: they need no wake. */
  readonly wasAnswered = new Set<Watcher>();
}

function areApart(a: HoldRequest, b: HoldRequest): boolean {
  const kind = ({ mode }: HoldRequest): string => (mode === 'write' ? 'read' : mode);
  return kind(a) !== kind(b);
}

const modes = ['exclusive', 'read', 'write', 'permits'] as const;
const step = fc.record({
  action: fc.constantFrom('attempt', 'attempt', 'enqueue', 'enqueue', 'watch', 'unwatch', 'renew', 'release', 'withdraw', 'force', 'pass'),
  mode: fc.constantFrom(...modes),
  ttlMs: fc.integer({ min: 1, max: 60 }),
  pick: fc.noBias(fc.nat({ max: 9_999 })),
});

describe('the lock table', () => {
  it('keeps its rules over any history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }), async (steps) => {
        const model = new Model();
        const { clock, table, holds, queue, watchers } = model;
        for (const { action, mode, ttlMs, pick } of steps) {
          const hold = holds[pick % holds.length];
          const queued = queue.filter(({ isServed }) => !isServed);
          const place = queued[pick % queued.length];
          const watcher = watchers[pick % watchers.length];
          switch (action) {
            case 'attempt':
              model.attempt(model.request(mode, ttlMs), {});
              break;
            case 'enqueue':
              model.enqueue(model.request(mode, ttlMs));
              break;
            case 'watch':
              model.watch(model.request(mode, ttlMs));
              for (const added of watchers.slice(-1)) if (!excludes(model.live(), added.request)) model.wasAnswered.add(added);
              break;
            case 'unwatch':
              if (watcher === undefined) break;
              table.unwatch(watcher);
              watchers.splice(watchers.indexOf(watcher), 1);
              break;
            case 'renew': {
              if (hold === undefined) break;
              const isLive = hold.expiresAt > clock.now();
              const expiresAt = Math.max(hold.expiresAt, clock.now() + ttlMs);
              expect(table.renew({ ...hold.request, ttlMs })).toBe(isLive);
              if (isLive) hold.expiresAt = expiresAt;
              break;
            }
            case 'release': {
              if (hold === undefined) break;
              // A waiter is granted within the call, so the model forgets first.
              const isLive = hold.expiresAt > clock.now();
              hold.expiresAt = Number.NEGATIVE_INFINITY;
              expect(table.release(hold.request)).toBe(isLive);
              break;
            }
            case 'withdraw':
              if (place === undefined) break;
              place.isServed = true;
              table.withdraw(place.waiter);
              break;
            case 'force': {
              const kind = mode === 'exclusive' ? 'lock' : mode === 'permits' ? 'semaphore' : 'read-write';
              const wasHeld = model.live().some((request) => !areApart(request, { ...request, mode } as HoldRequest));
              for (const each of holds) {
                if (!areApart(each.request, { ...each.request, mode } as HoldRequest)) each.expiresAt = Number.NEGATIVE_INFINITY;
              }
              expect(table.forceRelease('x', kind)).toBe(wasHeld);
              break;
            }
            case 'pass':
              await clock.advance(ttlMs);
              break;
            default:
              action satisfies never;
          }
          model.checkNobodySleeps();
        }
        for (const { waiter, isServed } of queue) if (!isServed) table.withdraw(waiter);
        for (const watcher of watchers) table.unwatch(watcher);
        for (const { request } of holds) table.release(request);
        expect([table.retained, clock.pendingTimers]).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  }, 60_000);
});
