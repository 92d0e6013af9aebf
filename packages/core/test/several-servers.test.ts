import { createLockManager, type LockBackend, type LockEvent, type NodeHealth } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { expect, it } from 'vitest';

const node: NodeHealth = { node: 'node 1', up: false, quarantinedForMs: null, clockOffsetMs: null, problem: 'it is down' };

/** A store of several servers: it says how each is, and may not know of one hold what it knows of another. */
function severalServers(unsure: ReadonlySet<string>): LockBackend<bigint> {
  const memory = createMemoryBackend();
  return new Proxy(memory, {
    get(target, property) {
      if (property === 'checkHealth') return async () => [node];
      if (property === 'renew') {
        return async (...[holds, call]: Parameters<LockBackend<bigint>['renew']>) => {
          const answers = await target.renew(holds, call);
          return answers.map((answer, index) => (unsure.has(holds[index]?.name ?? '') ? null : answer));
        };
      }
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

it('a renewal that the store cannot tell of costs only its own hold', async () => {
  const unsure = new Set(['b']);
  const events: LockEvent[] = [];
  const manager = createLockManager(severalServers(unsure), { onEvent: (event) => events.push(event), ttlMs: 900 });
  const group = await manager.acquireAll(['a', 'b']);
  await expect(group.get('b').extend()).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
  expect(group.get('b').isHeld).toBe(true);
  await new Promise((resolve) => group.get('b').signal.addEventListener('abort', resolve, { once: true }));
  expect(group.get('b').signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'deadline' });
  expect(group.get('a').isHeld).toBe(true);
  expect(events.some((event) => event.type === 'renew-failed' && event.name === 'b')).toBe(true);
  expect(events.some((event) => event.type === 'renew-failed' && event.name === 'a')).toBe(false);
  await manager.close();
});

it('health tells how each server is', async () => {
  const manager = createLockManager(severalServers(new Set()));
  expect(await manager.checkHealth()).toMatchObject({ ok: true, nodes: [node] });
  await manager.close();
});
