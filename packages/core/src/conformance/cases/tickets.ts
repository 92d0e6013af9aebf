import assert from 'node:assert/strict';
import { isLockError, type Lease, type LeaseTicket, type LockManager } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { describe, isBusy, isFree, LONG_TTL_MS, rejectsWith } from '../expectations.js';

const HELD = { ttlMs: LONG_TTL_MS };
const HIGHEST_TOKEN = 2n ** 63n - 1n;

/** A hold passes to another manager by its ticket, which comes from outside and may say anything. */
export const ticketCases: readonly ConformanceCase[] = [
  conformanceCase('tickets/lock', {
    title: 'a lock passes to another manager by its ticket, and by no ticket that says something else',
    async run({ manager, peer, name }) {
      const other = await peer();
      const ticket = await detached(manager, await manager.acquire(name(), HELD));
      if (ticket === null) return;
      const { fencingToken } = ticket;
      const tokens = fencingToken === null ? ['1'] : [BigInt(fencingToken) + 1n, BigInt(fencingToken) - 1n, HIGHEST_TOKEN].map(String);
      for (const one of [manager, other]) {
        await refuses(one, ticket, [
          ...tokens.map((token) => ({ fencingToken: token })),
          ...(fencingToken === null ? [] : [{ fencingToken: null }]),
          { owner: ticket.owner.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) },
          { name: name() },
        ]);
      }
      await passesOn(ticket, manager, other);
      await isFree(manager, ticket.name);
      const next = await manager.acquire(ticket.name, HELD);
      if (fencingToken !== null && next.fencingToken !== null) {
        assert.ok(next.fencingToken > BigInt(fencingToken), 'the next token is no higher');
        assert.ok(next.fencingToken < HIGHEST_TOKEN, 'a token that nobody was granted came to count');
      }
      await next.release();
    },
  }),

  conformanceCase('tickets/read-write', {
    title: 'a reader’s ticket makes nobody a writer, nor a writer’s a reader',
    needs: ['readWriteLocks'],
    async run({ manager, peer, name }) {
      const other = await peer();
      const lock = manager.readWriteLock(name());
      for (const [side, mode] of [
        [lock.read, 'write'],
        [lock.write, 'read'],
      ] as const) {
        const ticket = await detached(manager, await side.acquire(HELD));
        if (ticket === null) return;
        for (const one of [manager, other]) {
          await refuses(one, ticket, [{ mode }, ...(ticket.fencingToken === null ? [] : [{ fencingToken: String(HIGHEST_TOKEN) }])]);
        }
        assert.equal(await other.readWriteLock(lock.name).write.tryAcquire(), null, 'a refused ticket freed the hold');
        await passesOn(ticket, manager, other);
      }
    },
  }),

  conformanceCase('tickets/permits', {
    title: 'a ticket for permits is good for as many as were granted',
    needs: ['semaphores'],
    async run({ manager, peer, name }) {
      const other = await peer();
      const semaphore = manager.semaphore(name(), { permits: 5 });
      const ticket = await detached(manager, await semaphore.acquire({ ...HELD, permits: 2 }));
      if (ticket === null) return;
      for (const one of [manager, other]) await refuses(one, ticket, [{ permits: 1 }, { permits: 3 }, { permits: 5 }]);
      assert.equal(await semaphore.tryAcquire({ permits: 4 }), null, 'a refused ticket freed the permits');
      await passesOn(ticket, manager, other);
    },
  }),
];

/** The ticket of the lease; null where this hold cannot be passed on, which both ends say. */
async function detached(manager: LockManager, lease: Lease<bigint | null>): Promise<LeaseTicket | null> {
  try {
    return await manager.detach(lease);
  } catch (error) {
    if (!isLockError(error, 'LOCK_UNSUPPORTED')) assert.fail(`expected a ticket or LOCK_UNSUPPORTED, got ${describe(error)}`);
    assert.equal(lease.isHeld, true, 'a lease that cannot be passed on was lost by that');
    assert.equal(await lease.release(), true);
    return null;
  }
}

async function refuses(manager: LockManager, ticket: LeaseTicket, changes: readonly Partial<LeaseTicket>[]): Promise<void> {
  for (const change of changes) await rejectsWith('LOCK_LOST', manager.adopt({ ...ticket, ...change }));
}

async function passesOn(ticket: LeaseTicket, from: LockManager, to: LockManager): Promise<void> {
  const lease = await to.adopt(ticket);
  assert.equal(lease.isHeld, true);
  assert.equal(lease.fencingToken === null ? null : String(lease.fencingToken), ticket.fencingToken);
  if (ticket.kind === 'lock') await isBusy(from, ticket.name);
  assert.equal(await lease.release(), true);
}
