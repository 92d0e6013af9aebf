import { setTimeout as sleep } from 'node:timers/promises';
import { createLockManager, type LockEvent, type LockManager } from '@holdfast/core';
import { createMemoryBackend, createMemoryStore } from '@holdfast/core/memory';
import { afterEach, describe, expect, it } from 'vitest';
import { altered } from './mutants/mutant.js';

const managers: LockManager[] = [];

afterEach(async () => {
  await Promise.all(managers.splice(0).map((manager) => manager.close()));
});

/** On a queue that is far away: it answers late, and tells at once of a place behind others. */
function managerOn(store: ReturnType<typeof createMemoryStore>, events: LockEvent[]): LockManager {
  const backend = createMemoryBackend({ store });
  const { wait } = backend;
  if (wait === undefined) throw new Error('the backend in memory has no queue');
  const slow = altered(backend, {
    tellsQueued: true,
    async wait(request, call) {
      if ((await backend.inspect(request.name, 'lock', call)).held) call.onQueued?.();
      await sleep(100);
      return wait.call(backend, request, call);
    },
  });
  const manager = createLockManager(slow, { onEvent: (event) => events.push(event) });
  managers.push(manager);
  return manager;
}

describe('a queue that tells of a place in line', () => {
  it('is believed: a slow grant is no wait, and a place behind others is one at once', async () => {
    const store = createMemoryStore();
    const events: LockEvent[] = [];
    const manager = managerOn(store, events);
    const lease = await manager.acquire('lock');
    expect(events).toMatchObject([{ type: 'granted', contended: false }]);
    const other: LockEvent[] = [];
    const waiting = managerOn(store, other).acquire('lock');
    await sleep(20);
    expect(other).toMatchObject([{ type: 'waiting' }]);
    await lease.release();
    await (await waiting).release();
    expect(other).toMatchObject([{ type: 'waiting' }, { type: 'granted', contended: true }, { type: 'released' }]);
  });
});
