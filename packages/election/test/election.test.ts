import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lease } from '@holdfast/core';
import { createMemoryLockManager } from '@holdfast/core/memory';
import { createElection, LeadershipEndedError } from '@holdfast/election';
import { adaptLegacyLock, createMigratingLockManager } from '@holdfast/migration';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { twoCandidates, untilAborted } from './candidates.js';

describe('run', () => {
  it('leads in one place at a time, with terms that rise, and hands over when the leader closes', async () => {
    await using servers = twoCandidates();
    const terms: bigint[] = [];
    let leading = 0;
    const runs = servers.elections.map((election) =>
      election.run(async ({ lease, signal }) => {
        leading += 1;
        expect(leading).toBe(1);
        terms.push(lease.fencingToken);
        await untilAborted({ signal });
        await sleep(5);
        leading -= 1;
      }),
    );
    await until('one leads', () => leading === 1);
    const first = servers.elections.find((election) => election.health().leading);
    await first?.close();
    await until('the other leads', () => terms.length === 2 && leading === 1);
    expect(terms[1]).toBeGreaterThan(terms[0] ?? 0n);
    await Promise.all(servers.elections.map((election) => election.close()));
    await Promise.all(runs);
    expect(servers.events.filter(({ type }) => type === 'resigned')).toMatchObject([{ reason: 'closed' }, { reason: 'closed' }]);
  });

  it('ends with its signal: the task is waited for, the term is given back, and it resolves', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    const stop = new AbortController();
    let reason: unknown;
    let hasEnded = false;
    const run = mine.run(
      async ({ signal }) => {
        await untilAborted({ signal });
        reason = signal.reason;
        await sleep(20);
        expect(await theirs.leader()).not.toBeNull();
        hasEnded = true;
        signal.throwIfAborted();
      },
      { signal: stop.signal },
    );
    await until('it leads', () => mine.health().leading);
    stop.abort('enough');
    await run;
    expect([reason, hasEnded]).toEqual(['enough', true]);
    expect(await theirs.leader()).toBeNull();
    expect(servers.told()).toEqual(['server-0: elected', 'server-0: leader-changed', 'server-0: leader-changed', 'server-0: resigned']);
  });

  it('ends with its signal while it waits to be elected, and while it pauses; one that has aborted before asks nothing', async () => {
    await using servers = twoCandidates({ retryMs: 60_000 });
    const [mine, theirs] = servers.elections;
    await using lease = await theirs.campaign();
    const stop = new AbortController();
    const waiting = mine.run(untilAborted, { signal: stop.signal });
    stop.abort();
    await waiting;
    await lease.release();
    const pausing = new AbortController();
    const run = mine.run(() => {}, { signal: pausing.signal });
    await until('its term is over', () => servers.told().includes('server-0: resigned'));
    pausing.abort();
    await run;
    await mine.run(() => expect.unreachable(), { signal: AbortSignal.abort() });
  });

  it('lets the others lead after a task that returned, and leads again later', async () => {
    await using servers = twoCandidates({ retryMs: 40 });
    const order: string[] = [];
    const runs = servers.elections.map((election, index) =>
      election.run(() => {
        order.push(`${index}`);
      }),
    );
    await until('both have led twice', () => order.length >= 4);
    await Promise.all(servers.elections.map((election) => election.close()));
    await Promise.all(runs);
    expect(order.slice(0, 2).sort()).toEqual(['0', '1']);
  });

  it('rejects with what the task throws, and gives the term back', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    const failure = new Error('the task failed');
    await expect(mine.run(() => Promise.reject(failure))).rejects.toBe(failure);
    expect(await theirs.leader()).toBeNull();
    expect(servers.events).toContainEqual(expect.objectContaining({ type: 'resigned', reason: 'failed', error: failure }));
  });

  it('campaigns again after a task that failed, where it is to', async () => {
    await using servers = twoCandidates({ retryMs: 1 });
    const [mine] = servers.elections;
    let count = 0;
    const run = mine.run(
      async (leadership) => {
        count += 1;
        if (count < 3) throw new Error(`failure ${count}`);
        await untilAborted(leadership);
      },
      { onTaskError: 'campaign' },
    );
    await until('it leads for the third time', () => count === 3);
    await mine.close();
    await run;
    expect(servers.events.filter(({ type }) => type === 'resigned')).toHaveLength(3);
  });

  it('keeps the task’s own error apart from the reason of its signal', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    const stop = new AbortController();
    const own = new Error('could not tidy up');
    const run = mine.run(
      async (leadership) => {
        await untilAborted(leadership);
        throw own;
      },
      { signal: stop.signal },
    );
    await until('it leads', () => mine.health().leading);
    stop.abort();
    await expect(run).rejects.toBe(own);
    const wrapped = new AbortController();
    const other = theirs.run(({ signal }) => sleep(60_000, undefined, { signal }), { signal: wrapped.signal });
    await until('the other leads', () => theirs.health().leading);
    wrapped.abort(new Error('enough'));
    await other;
  });

  it('resigns when it is asked to: the task’s signal says why, and that of the lease is silent', async () => {
    await using servers = twoCandidates({ retryMs: 60_000 });
    const [mine] = servers.elections;
    const ends: unknown[] = [];
    const stop = new AbortController();
    const run = mine.run(
      async ({ lease, signal, resign }) => {
        expect(resign()).toBe(true);
        expect(resign()).toBe(false);
        ends.push(signal.reason, lease.signal.aborted, lease.isHeld);
      },
      { signal: stop.signal },
    );
    await until('its term is over', () => servers.told().includes('server-0: resigned'));
    expect(ends).toEqual([expect.any(LeadershipEndedError), false, true]);
    expect(ends[0]).toMatchObject({ reason: 'resigned', election: 'scheduler' });
    expect(mine.resign()).toBe(false);
    stop.abort();
    await run;
  });

  it('ends the task when the lease is lost, and does not campaign beside a task that has not ended', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    const mayEnd = new AbortController();
    const tasks: string[] = [];
    const stop = new AbortController();
    const run = mine.run(
      async ({ lease, signal }) => {
        tasks.push('began');
        await untilAborted({ signal });
        if (lease.signal.aborted) tasks.push(signal.reason === lease.signal.reason ? 'lost' : 'asked');
        await untilAborted(mayEnd);
      },
      { signal: stop.signal },
    );
    await until('it leads', () => mine.health().leading);
    await servers.locks[0].forceRelease('election/scheduler');
    await until('it is deposed', () => servers.told().includes('server-0: deposed'));
    expect(mine.health()).toEqual({ ok: false, leading: false, remainingMs: 0 });
    const lease = await theirs.campaign({ waitMs: 0 });
    await lease.release();
    // Longer than the pause after a loss.
    await sleep(100);
    expect(tasks).toEqual(['began', 'lost']);
    mayEnd.abort();
    await until('it leads again', () => tasks.length === 3);
    stop.abort();
    await run;
    expect(servers.events.filter(({ type }) => type === 'deposed')).toMatchObject([{ reason: 'forced' }]);
  });

  it('goes on over a store that is out of reach for a while', async () => {
    await using servers = twoCandidates();
    const [mine] = servers.elections;
    servers.links[0].disconnect();
    const run = mine.run(untilAborted);
    await sleep(20);
    servers.links[0].reconnect();
    await until('it leads', () => mine.health().leading);
    await mine.close();
    await run;
  });

  it('refuses to wait for itself, and ends with its manager', async () => {
    await using servers = twoCandidates();
    const [mine] = servers.elections;
    const nested = createElection(servers.locks[0], 'scheduler');
    const run = mine.run(() => nested.run(() => {}));
    await expect(run).rejects.toMatchObject({ code: 'LOCK_REENTRY' });
    await expect(mine.run(() => nested.campaign())).rejects.toMatchObject({ code: 'LOCK_REENTRY' });
    const closed = mine.run(untilAborted);
    await until('it leads', () => mine.health().leading);
    await servers.locks[0].close();
    await expect(closed).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
  });
});

describe('close', () => {
  it('called by a task of its own does not wait for that task', async () => {
    await using servers = twoCandidates();
    const [mine] = servers.elections;
    await mine.run(() => mine.close());
    await expect(mine.run(() => {})).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
    await expect(mine.campaign()).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
    await expect(mine.leader()).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
    expect(() => mine.observe()).toThrow(expect.objectContaining({ code: 'LOCK_CLOSED' }) as Error);
    await mine.close();
  });

  it('called within a task that was begun by a task of its own does not wait for that one either', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    await using other = createElection(servers.locks[1], 'another');
    let ended = false;
    await mine.run(async () => {
      await other.run(async () => {
        // Of theirs no task is under way here: nothing of it is left out.
        await theirs.close();
        await mine.close();
        ended = true;
        await other.close();
      });
    });
    expect(ended).toBe(true);
  });

  it('gives the term back after drainMs though the task has not ended', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    let finish = (): void => {};
    const run = mine.run(() => new Promise<void>((resolve) => (finish = resolve)));
    await until('it leads', () => mine.health().leading);
    await mine.close({ drainMs: 20 });
    await (await theirs.campaign({ waitMs: 0 })).release();
    finish();
    await run;
    expect(servers.events.filter(({ type, label }) => type === 'resigned' && label === 'server-0')).toMatchObject([{ reason: 'closed' }]);
  });

  it('ends a campaign that waits, and leaves a lease in its caller’s hands alone', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    await using lease = await theirs.campaign();
    const waiting = mine.campaign();
    const outcome = waiting.catch((error: unknown) => error);
    await mine.close();
    expect(await outcome).toMatchObject({ code: 'LOCK_CLOSED' });
    await theirs.close();
    expect(lease.isHeld).toBe(true);
    expect(theirs.health()).toMatchObject({ leading: true });
  });
});

describe('campaign', () => {
  it('gives a lease whose release or loss ends the term', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    const lease: Lease<bigint> = await mine.campaign();
    expect(lease.name).toBe('election/scheduler');
    expect(await theirs.leader()).toMatchObject({ label: 'server-0', term: lease.fencingToken });
    await expect(theirs.campaign({ waitMs: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    await lease.extend(60_000);
    expect(mine.health({ minRemainingMs: 59_000 })).toMatchObject({ ok: true, leading: true });
    expect(mine.health({ minRemainingMs: 61_000 })).toMatchObject({ ok: false });
    expect(await lease.release()).toBe(true);
    expect(await lease.release()).toBe(true);
    const lost = await mine.campaign();
    await servers.locks[0].forceRelease(lost.name);
    expect(lost.signal.aborted).toBe(true);
    expect(() => lost.assertHeld()).toThrow();
    expect(servers.events.filter(({ type, label }) => label === 'server-0' && type !== 'leader-changed')).toMatchObject([
      { type: 'elected' },
      { type: 'resigned', reason: 'released' },
      { type: 'elected' },
      { type: 'deposed', reason: 'forced' },
    ]);
  });

  it('tells on channels what it tells its own observer, and what they throw hurts nobody', async () => {
    await using servers = twoCandidates();
    const seen: unknown[] = [];
    const listener = (event: unknown): never => {
      seen.push(JSON.parse(JSON.stringify(event)));
      throw new Error('an observer that fails');
    };
    subscribe('holdfast:election:elected', listener);
    try {
      const lease = await servers.elections[0].campaign();
      expect(seen).toMatchObject([{ type: 'elected', election: 'scheduler', backend: 'memory', term: `${lease.fencingToken}` }]);
    } finally {
      unsubscribe('holdfast:election:elected', listener);
    }
  });
});

describe('names', () => {
  it('keep elections apart from locks and marks, and from each other', async () => {
    await using locks = createMemoryLockManager();
    await using lock = await locks.acquire('x');
    await locks.marks?.set('election/x', { retentionMs: 60_000 });
    await using one = await createElection(locks, 'x').campaign({ waitMs: 0 });
    await using other = await createElection(locks, 'x/y').campaign({ waitMs: 0 });
    await using third = await createElection(locks, '../x').campaign({ waitMs: 0 });
    expect([lock, one, other, third].map(({ name }) => name)).toEqual(['x', 'election/x', 'election/x/y', 'election/../x']);
    expect(() => createElection(locks, '')).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }) as Error);
    expect(() => createElection(locks, 'n'.repeat(512))).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }) as Error);
  });
});

describe('createElection', () => {
  it.each([
    [{ stepDownMs: 20_000 }, 'stepDownMs'],
    [{ ttlMs: 900, stepDownMs: 600 }, 'stepDownMs'],
    [{ retryMs: 0 }, 'retryMs'],
    [{ ttlMs: 1.5 }, 'ttlMs'],
    [{ label: 7 as never }, 'label'],
    [{ renewDeadline: 10_000 } as never, 'renewDeadline'],
  ])('refuses %o', async (options, option) => {
    await using locks = createMemoryLockManager();
    expect(() => createElection(locks, 'x', options)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option }) as Error);
  });

  it('refuses what breaks a rule in its calls, before anything is asked', async () => {
    await using servers = twoCandidates();
    const [mine] = servers.elections;
    const refused = { code: 'LOCK_INVALID_ARGUMENT' };
    await expect(mine.run(undefined as never)).rejects.toMatchObject(refused);
    await expect(mine.run(() => {}, { onTaskError: 'ignore' as never })).rejects.toMatchObject(refused);
    await expect(mine.campaign({ waitMs: -1 })).rejects.toMatchObject(refused);
    await expect(mine.close({ drainMs: -1 })).rejects.toMatchObject(refused);
    expect(() => mine.observe({ everyMs: 0 })).toThrow(expect.objectContaining(refused) as Error);
    expect(() => mine.health({ minRemainingMs: -1 })).toThrow(expect.objectContaining(refused) as Error);
    expect(servers.links[0].calls.attempt).toBe(0);
  });

  it('refuses a store without fencing tokens, and a migration while its tokens are null', async () => {
    const refused = expect.objectContaining({ code: 'LOCK_UNSUPPORTED', capability: 'fencing' }) as Error;
    await using old = adaptLegacyLock({ tryLock: async () => 1, unlock: async () => {} });
    expect(() => createElection(old, 'x')).toThrow(refused);
    await using moving = createMigratingLockManager({ from: createMemoryLockManager(), to: createMemoryLockManager(), phase: 'from' });
    expect(() => createElection(moving, 'x')).toThrow(refused);
    await moving.setPhase('both');
    const election = createElection(moving, 'x');
    await (await election.campaign()).release();
    await election.close();
  });
});
