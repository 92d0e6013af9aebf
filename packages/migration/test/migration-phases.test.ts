import { createMemoryLockManager } from '@holdfast/core/memory';
import { createMigratingLockManager, type MigrationPhase } from '@holdfast/migration';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { isPending, MigrationWorld } from './migration-world.js';

const argument: unknown = expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option: 'phase' });

describe('setPhase', () => {
  it('refuses to skip "both", in either direction, and what is no phase', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('from');
    await expect(manager.setPhase('to')).rejects.toEqual(argument);
    await manager.setPhase('both');
    await manager.setPhase('to');
    await expect(manager.setPhase('from')).rejects.toEqual(argument);
    await expect(manager.setPhase('later' as MigrationPhase)).rejects.toEqual(argument);
    await manager.setPhase('both');
    await manager.setPhase('from');
    expect(manager.phase).toBe('from');
  });

  it('resolves when no hold of another phase is left; new holds are of the new phase at once', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('from');
    const old = await manager.acquire('old');
    const changed = manager.setPhase('both');
    expect(await isPending(changed)).toBe(true);
    expect(manager.phase).toBe('both');
    const fresh = await manager.acquire('fresh');
    expect((await world.only.to.inspect('fresh')).held).toBe(true);
    expect((await world.only.to.inspect('old')).held).toBe(false);
    await old.release();
    await changed;
    await fresh.release();
  });

  it('takes no hold on the target alone while one on the old side alone is left', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('from');
    const old = await manager.acquire('x');
    const [both, to] = [manager.setPhase('both'), manager.setPhase('to')];
    expect([await isPending(both), await isPending(to), manager.phase]).toEqual([true, true, 'both']);
    expect(await manager.tryAcquire('x')).toBeNull();
    await old.release();
    await Promise.all([both, to]);
    expect(manager.phase).toBe('to');
    await manager.withLock('x', async () => {
      expect([(await world.only.from.inspect('x')).held, (await world.only.to.inspect('x')).held]).toEqual([false, true]);
    });
  });

  it('waits for a hold that is lost as for one that is freed', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('from', { ttlMs: 300 });
    const lease = await manager.acquire('x', { renew: false });
    await manager.setPhase('both');
    expect(lease.isHeld).toBe(false);
  });

  it('is given up by its signal: a change that has not happened does not, one that has stays', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('from');
    const old = await manager.acquire('x');
    const [first, second] = [new AbortController(), new AbortController()];
    const both = manager.setPhase('both', { signal: first.signal });
    const to = manager.setPhase('to', { signal: second.signal });
    const back = manager.setPhase('from');
    expect(await isPending(both)).toBe(true);
    second.abort('not yet');
    await expect(to).rejects.toBe('not yet');
    expect(await isPending(back)).toBe(true);
    first.abort('not now');
    await expect(both).rejects.toBe('not now');
    await back;
    expect(manager.phase).toBe('from');
    await old.release();
  });

  it('with the present phase waits for the rest of another', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('from');
    const old = await manager.acquire('x');
    await expect(manager.setPhase('both', { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ name: 'TimeoutError' });
    const again = manager.setPhase('both');
    expect(await isPending(again)).toBe(true);
    await old.release();
    await again;
  });

  it('moves those that wait: they wait for what the new phase needs', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('from');
    const oldHolder = await world.only.from.acquire('x');
    const waiting = manager.acquire('x');
    await until('it waits on the old side', async () => (await world.only.from.inspect('x')).waiters === 1);
    await manager.setPhase('both');
    const newHolder = await world.only.to.acquire('x');
    await oldHolder.release();
    await until('it waits on the target', async () => (await world.only.to.inspect('x')).waiters === 1);
    expect((await world.only.from.inspect('x')).held).toBe(true);
    await manager.setPhase('to');
    await until('it has let go of the old side', async () => !(await world.only.from.inspect('x')).held);
    expect(await isPending(waiting)).toBe(true);
    await newHolder.release();
    const lease = await waiting;
    expect((await world.only.from.inspect('x')).held).toBe(false);
    await lease.release();
  });

  it('waits for attempts that are under way, and for releases', async () => {
    await using world = new MigrationWorld();
    const { manager, from } = world.process('from');
    from.store.disconnect({ silent: true });
    const attempt = manager.tryAcquire('x', { ttlMs: 1_000 }).catch((error: unknown) => error);
    const changed = manager.setPhase('both');
    expect(await isPending(changed)).toBe(true);
    expect(await attempt).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await changed;
    from.store.reconnect();
  });
});

describe('processes in phases that share a side', () => {
  it.each([
    ['from', 'from'],
    ['from', 'both'],
    ['both', 'both'],
    ['both', 'to'],
    ['to', 'to'],
  ] as const)('exclude each other: %s and %s', async (one, other) => {
    await using world = new MigrationWorld();
    for (const [a, b] of [
      [world.process(one).manager, world.process(other).manager],
      [world.process(other).manager, world.process(one).manager],
    ] as const) {
      const lease = await a.acquire('x');
      expect(await b.tryAcquire('x')).toBeNull();
      const next = b.acquire('x');
      expect(await isPending(next)).toBe(true);
      await lease.release();
      await (await next).release();

      const permit = await a.semaphore('s', { permits: 1 }).acquire();
      expect(await b.semaphore('s', { permits: 1 }).tryAcquire()).toBeNull();
      await permit.release();

      const read = await a.readWriteLock('rw').read.acquire();
      expect(await b.readWriteLock('rw').write.tryAcquire()).toBeNull();
      await using second = await b.readWriteLock('rw').read.tryAcquire();
      expect(second?.isHeld).toBe(true);
      await read.release();

      const mark = `done ${crypto.randomUUID()}`;
      const answers = await Promise.all([a, b].map(async (manager) => await manager.marks?.set(mark, { retentionMs: 60_000 })));
      expect(answers.filter((isFirst) => isFirst === true)).toHaveLength(1);
      expect([await a.marks?.has(mark), await b.marks?.has(mark)]).toEqual([true, true]);
    }
    await until(
      'nothing but marks is left',
      async () => !(await world.only.from.inspect('x')).held && !(await world.only.to.inspect('x')).held,
    );
  });
});

describe('marks in both', () => {
  it.each([
    ['the request to the old side', 'from', false],
    ['the reply of the old side', 'from', true],
    ['the reply of the target', 'to', true],
  ] as const)('stand on both sides in the end, when %s was lost', async (_, side, performed) => {
    await using world = new MigrationWorld();
    const a = world.process('both');
    const b = world.process('both');
    a[side].store.failNext('setMark', { performed });
    await expect(a.manager.marks?.set('done', { retentionMs: 60_000 })).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    expect(await b.manager.marks?.set('done', { retentionMs: 60_000 })).toBe(false);
    await until('both sides have it', async () => (await world.only.from.marks?.has('done')) === true);
    expect(await world.only.to.marks?.has('done')).toBe(true);
    expect(await a.manager.marks?.set('done', { retentionMs: 60_000 })).toBe(false);
  });

  it('that are deleted while one is being completed do not come back', async () => {
    await using world = new MigrationWorld();
    const { manager, from } = world.process('both');
    from.store.failNext('setMark');
    await expect(manager.marks?.set('done', { retentionMs: 60_000 })).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    const completing = from.store.stallNext('setMark');
    await completing.reached;
    const deleting = Promise.resolve(manager.marks?.delete('done'));
    expect(await isPending(deleting)).toBe(true);
    completing.resume();
    expect(await deleting).toBe(true);
    expect([await world.only.from.marks?.has('done'), await world.only.to.marks?.has('done')]).toEqual([false, false]);
  });

  it('that never reached the target are not made up, and may be set again', async () => {
    await using world = new MigrationWorld();
    const { manager, to } = world.process('both');
    to.store.disconnect();
    await expect(manager.marks?.set('done', { retentionMs: 60_000 })).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    to.store.reconnect();
    expect(await manager.marks?.set('done', { retentionMs: 60_000 })).toBe(true);
    expect([await world.only.from.marks?.has('done'), await world.only.to.marks?.has('done')]).toEqual([true, true]);
  });

  it('are seen while one side is out of reach, and never taken for missing', async () => {
    await using world = new MigrationWorld();
    const { manager, from, to } = world.process('both');
    await manager.marks?.set('done', { retentionMs: 60_000 });
    for (const { store } of [from, to]) {
      store.disconnect();
      expect(await manager.marks?.has('done')).toBe(true);
      await expect(manager.marks?.has('not done')).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
      store.reconnect();
    }
  });
});

describe('migration events', () => {
  it('tell that somebody uses the old side alone', async () => {
    await using world = new MigrationWorld();
    const { manager, migrationEvents } = world.process('both');
    const forgotten = await world.only.from.acquire('x');
    expect(await manager.tryAcquire('x')).toBeNull();
    await until('it is reported', () => migrationEvents.length > 0);
    expect(migrationEvents).toMatchObject([
      { type: 'one-sided', name: 'x', kind: 'lock', free: 'to', busy: 'from', holders: [{ label: 'only from' }] },
    ]);
    await forgotten.release();
  });

  it('tell that somebody uses the target alone, also to one who waits', async () => {
    await using world = new MigrationWorld();
    const { manager, migrationEvents } = world.process('both');
    const early = await world.only.to.acquire('x');
    const waiting = manager.acquire('x');
    await until('it is reported', () => migrationEvents.length > 0);
    expect(migrationEvents).toMatchObject([{ type: 'one-sided', free: 'from', busy: 'to', holders: [{ label: 'only to' }] }]);
    expect(JSON.stringify(migrationEvents)).toContain(`"fencingToken":"${early.fencingToken}"`);
    await early.release();
    await (await waiting).release();
  });

  it('do not take one who is on both sides for one who is not', async () => {
    await using world = new MigrationWorld();
    const crowd = Array.from({ length: 3 }, () => world.process('both'));
    const end = performance.now() + 1_500;
    await Promise.all(
      crowd.map(async ({ manager }) => {
        while (performance.now() < end) {
          await manager.withLock('x', () => new Promise((resolve) => setTimeout(resolve, 2)));
          await manager.tryWithLock('x', () => {});
        }
      }),
    );
    expect(crowd.flatMap(({ migrationEvents }) => migrationEvents)).toEqual([]);
  });

  it('tell each change of phase, and an observer that fails hurts nobody', async () => {
    await using world = new MigrationWorld();
    const { manager, migrationEvents } = world.process('from');
    await manager.setPhase('both');
    await manager.setPhase('both');
    expect(migrationEvents).toMatchObject([{ type: 'phase', before: 'from', phase: 'both' }]);
    await using failing = createMigratingLockManager({
      from: createMemoryLockManager(),
      to: createMemoryLockManager(),
      phase: 'from',
      onMigrationEvent() {
        throw new Error('an observer that throws');
      },
    });
    await failing.setPhase('both');
  });
});

describe('createMigratingLockManager', () => {
  it('checks its options', async () => {
    await using locks = createMemoryLockManager();
    await using other = createMemoryLockManager();
    const create = (options: object) => () => createMigratingLockManager(options as Parameters<typeof createMigratingLockManager>[0]);
    for (const [options, option] of [
      [{ to: locks, phase: 'from' }, 'from'],
      [{ from: locks, phase: 'from' }, 'to'],
      [{ from: locks, to: other }, 'phase'],
      [{ from: locks, to: other, phase: 'old' }, 'phase'],
      [{ from: locks, to: locks, phase: 'from' }, 'to'],
      [{ from: locks, to: other, phase: 'from', ttl: 5 }, 'ttl'],
    ] as const) {
      expect(create(options)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option }));
    }
  });

  it('is named for its sides, and has what both can do', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('to');
    expect(manager.backend).toBe('memory->memory');
    // Limits that differ are reported by the managers of the sides.
    expect(manager.capabilities).toEqual({ ...world.only.to.capabilities, reportsLimits: undefined });
    expect(JSON.parse(JSON.stringify(manager))).toMatchObject({ backend: 'memory->memory', capabilities: { fencing: true } });
  });
});
