import { setTimeout as sleep } from 'node:timers/promises';
import { createLockManager, type LockBackend } from '@holdfast/core';
import { attempt, callOf, free, type Granted, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { askZooKeeper, startTcpProxy, type TcpProxy, until } from '@holdfast/test/servers';
import { afterEach, describe, expect, it } from 'vitest';
import { FrameReader } from '../src/frame-reader.js';
import { CuttingRelay } from './cutting-relay.js';
import { newRoot, nodesUnder, stand, useZooKeeper } from './zookeeper-harness.js';

const zooKeeper = useZooKeeper();
const proxies: TcpProxy[] = [];

afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close();
});

/** A backend behind a wire of its own. */
async function wired(root: string, sessionTimeoutMs = 4000): Promise<{ readonly backend: LockBackend<bigint>; readonly proxy: TcpProxy }> {
  const proxy = await startTcpProxy({ target: zooKeeper.server.port });
  proxies.push(proxy);
  const backend = zooKeeper.backend({ connectionString: `127.0.0.1:${proxy.port}`, root, sessionTimeoutMs });
  const first = requestOf(newName());
  await take(backend, first);
  await free(backend, first);
  return { backend, proxy };
}

async function waitersOf(backend: LockBackend<bigint>, name: string, kind: 'lock' | 'semaphore' | 'read-write' = 'lock'): Promise<number> {
  return (await backend.inspect(name, kind, callOf())).waiters ?? -1;
}

async function queued(backend: LockBackend<bigint>, name: string, count: number, kind?: 'semaphore' | 'read-write'): Promise<void> {
  await until(`${count} wait`, async () => (await waitersOf(backend, name, kind)) === count);
}

/** Whether it is granted, as far as it can be seen now. */
function watch(promise: Promise<Granted>): { granted: Granted | null; failed: unknown } {
  const seen: { granted: Granted | null; failed: unknown } = { granted: null, failed: null };
  promise.then(
    (granted) => (seen.granted = granted),
    (error: unknown) => (seen.failed = error),
  );
  return seen;
}

function watchesByPath(report: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  let path = '';
  for (const line of report.split('\n')) {
    if (line.startsWith('/')) path = line.trim();
    else if (line.startsWith('\t')) counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return counts;
}

async function packetsOutstanding(): Promise<number> {
  return Number(/^zk_outstanding_requests\t(\d+)/m.exec(await askZooKeeper(zooKeeper.server.port, 'mntr'))?.[1]);
}

async function packetsReceived(): Promise<number> {
  return Number(/^zk_packets_received\t(\d+)/m.exec(await askZooKeeper(zooKeeper.server.port, 'mntr'))?.[1]);
}

it('serves 200 waiters of several clients in their order, each woken by one watch of its own', async () => {
  const root = newRoot();
  const name = newName();
  const backends = Array.from({ length: 4 }, () => zooKeeper.backend({ root, sessionTimeoutMs: 20_000 }));
  const [first] = backends as [LockBackend<bigint>];
  const holder = requestOf(name);
  await take(first, holder);
  const order: number[] = [];
  const tokens: bigint[] = [];
  const waits: Promise<unknown>[] = [];
  for (let index = 0; index < 200; index += 1) {
    const backend = backends[(index + 1) % backends.length] as LockBackend<bigint>;
    const request = requestOf(name);
    const granted = stand(backend, request).then(async ({ fencingToken }) => {
      order.push(index);
      tokens.push(fencingToken);
      await free(backend, request);
    });
    waits.push(granted);
    await until('it stands in line', async () => (await waitersOf(first, name)) === index + 1, { everyMs: 1 });
  }
  const watched = async (): Promise<ReadonlyMap<string, number>> => {
    const all = watchesByPath(await askZooKeeper(zooKeeper.server.port, 'wchp'));
    return new Map([...all].filter(([path]) => path.startsWith(root)));
  };
  const sum = (counts: Iterable<number>): number => [...counts].reduce((total, count) => total + count, 0);
  // Each looks at its own node, in case it is removed, and at the one in front; nobody looks at the line as a whole.
  await until('each has its watches', async () => sum((await watched()).values()) === 401);
  const watches = await watched();
  expect([...watches.values()].filter((count) => count > 2)).toEqual([]);
  expect([...watches.keys()]).not.toContain(`${root}/locks/${name}`);

  const before = await packetsReceived();
  await free(first, holder);
  await Promise.all(waits);
  // A look at the queue, a write, a removal: three a waiter, and what clients ping meanwhile.
  expect((await packetsReceived()) - before).toBeLessThan(200 * 3 + 60);
  expect(order).toEqual(Array.from({ length: 200 }, (_, index) => index));
  expect(tokens.every((token, index) => index === 0 || token > (tokens[index - 1] ?? 0n))).toBe(true);
}, 60_000);

describe('permits', () => {
  it('go to the next in line whichever of the holders frees some', async () => {
    const backend = zooKeeper.backend();
    const name = newName();
    const holders = [permitsOf(name, 1, 3), permitsOf(name, 1, 3), permitsOf(name, 1, 3)] as const;
    for (const holder of holders) await take(backend, holder);
    const requests = [permitsOf(name, 1, 3), permitsOf(name, 1, 3), permitsOf(name, 1, 3)] as const;
    const waits: ReturnType<typeof watch>[] = [];
    for (const [index, request] of requests.entries()) {
      waits.push(watch(stand(backend, request)));
      await queued(backend, name, index + 1, 'semaphore');
    }
    // Neither the one before them nor the one that stands as many places before them as there are permits.
    await free(backend, holders[1]);
    await until('the first has it', () => waits[0]?.granted !== null);
    await free(backend, holders[2]);
    await until('the second has it', () => waits[1]?.granted !== null);
    expect(waits[2]?.granted).toBeNull();
    await free(backend, requests[1]);
    await until('the third has it', () => waits[2]?.granted !== null);
    expect(await backend.release([holders[0], requests[0], requests[2]], callOf())).toEqual([true, true, true]);
  });

  it('are given in order, a large request not being passed by a small one', async () => {
    const [mine, theirs] = [zooKeeper.backend({ root: '/t-order' }), zooKeeper.backend({ root: '/t-order' })];
    const name = newName();
    const holder = permitsOf(name, 2, 4);
    await take(mine, holder);
    const large = permitsOf(name, 3, 4);
    const small = permitsOf(name, 1, 4);
    const largeWait = watch(stand(theirs, large));
    await queued(mine, name, 1, 'semaphore');
    const smallWait = watch(stand(mine, small));
    await queued(mine, name, 2, 'semaphore');
    expect((await attempt(theirs, permitsOf(name, 1, 4))).granted).toBe(false);
    await free(mine, holder);
    // One release lets both in: the first passes the turn on.
    await until('both have theirs', () => largeWait.granted !== null && smallWait.granted !== null);
    expect(await mine.release([small], callOf())).toEqual([true]);
    expect(await theirs.release([large], callOf())).toEqual([true]);
  });

  it('pass the turn on when the first in line gives up', async () => {
    const backend = zooKeeper.backend();
    const name = newName();
    const holder = permitsOf(name, 2, 3);
    await take(backend, holder);
    const controller = new AbortController();
    const large = watch(stand(backend, permitsOf(name, 3, 3), controller.signal));
    await queued(backend, name, 1, 'semaphore');
    const small = permitsOf(name, 1, 3);
    const smallWait = watch(stand(backend, small));
    await queued(backend, name, 2, 'semaphore');
    controller.abort(new Error('left'));
    await until('the next has it', () => smallWait.granted !== null);
    expect(large.failed).toMatchObject({ message: 'left' });
    expect(await backend.release([holder, small], callOf())).toEqual([true, true]);
  });

  it('reach everybody in a long line, though some give up and others ask for many, and are never too many', async () => {
    const root = newRoot();
    const backends = Array.from({ length: 3 }, () => zooKeeper.backend({ root, sessionTimeoutMs: 20_000 }));
    const name = newName();
    const limit = 3;
    let held = 0;
    let most = 0;
    const outcomes = Array.from({ length: 90 }, async (_, index) => {
      const backend = backends[index % 3] as LockBackend<bigint>;
      const permits = 1 + (index % 7 === 0 ? 2 : index % 3 === 0 ? 1 : 0);
      const request = permitsOf(name, permits, limit);
      const controller = new AbortController();
      // Near and far ones, while they wait.
      if (index % 5 === 4) setTimeout(() => controller.abort(new Error('left')), 200 + 10 * index);
      await sleep(3 * index);
      try {
        await stand(backend, request, controller.signal);
      } catch (error) {
        return error;
      }
      held += permits;
      most = Math.max(most, held);
      await sleep(5 + (index % 4) * 5);
      held -= permits;
      await free(backend, request);
      return 'granted';
    });
    const seen = await Promise.all(outcomes);
    expect(most).toBeLessThanOrEqual(limit);
    expect(seen.filter((outcome) => outcome === 'granted').length).toBeGreaterThanOrEqual(72);
    for (const outcome of seen) if (outcome !== 'granted') expect(outcome).toMatchObject({ message: 'left' });
  }, 30_000);

  it('that become free at one time are taken at one time, however long the line is', async () => {
    const root = newRoot();
    const { backend, proxy } = await wired(root, 20_000);
    const other = zooKeeper.backend({ root, sessionTimeoutMs: 20_000 });
    const name = newName();
    const limit = 4;
    const FAR_MS = 400;
    const holders = Array.from({ length: limit }, () => permitsOf(name, 1, limit));
    for (const holder of holders) await take(other, holder);
    const waits: ReturnType<typeof watch>[] = [];
    for (let index = 0; index < 20; index += 1) {
      waits.push(watch(stand(backend, permitsOf(name, 1, limit))));
      await queued(other, name, index + 1, 'semaphore');
    }
    await until('nobody is about to look', async () => (await packetsOutstanding()) === 0);
    proxy.delayMs = FAR_MS;
    const start = performance.now();
    expect(await other.release(holders, callOf())).toEqual([true, true, true, true]);
    await until('as many have theirs', () => waits.filter(({ granted }) => granted !== null).length === limit);
    // A watch's message, and one look there and back; a word from each to the next would add as much for each.
    expect(performance.now() - start).toBeLessThan(FAR_MS * 3 * 2);
    proxy.delayMs = 0;
  });

  it('that are asked for under different limits hold each to its own', async () => {
    const backend = zooKeeper.backend();
    const name = newName();
    const holder = permitsOf(name, 2, 4);
    await take(backend, holder);
    expect((await attempt(backend, permitsOf(name, 1, 2))).granted).toBe(false);
    const narrow = permitsOf(name, 1, 2);
    const narrowWait = watch(stand(backend, narrow));
    await queued(backend, name, 1, 'semaphore');
    const wide = permitsOf(name, 1, 4);
    const wideWait = watch(stand(backend, wide));
    await until('who has more room has it', () => wideWait.granted !== null);
    expect(narrowWait.granted).toBeNull();
    await free(backend, holder);
    await until('the other has it', () => narrowWait.granted !== null);
    expect(await backend.release([narrow, wide], callOf())).toEqual([true, true]);
  });
});

it.each([
  { what: 'a lock', request: (name: string) => requestOf(name), kind: undefined },
  { what: 'a permit', request: (name: string) => permitsOf(name, 1, 1), kind: 'semaphore' },
] as const)('grants $what to who is next in line and whose connection had ended when the holder left', async ({ request, kind }) => {
  const root = newRoot();
  const { backend, proxy } = await wired(root, 20_000);
  const other = zooKeeper.backend({ root, sessionTimeoutMs: 20_000 });
  const name = newName();
  const [holder, next] = [request(name), request(name)];
  await take(other, holder);
  const wait = watch(stand(backend, next));
  await queued(other, name, 1, kind);
  await until('nobody is about to look', async () => (await packetsOutstanding()) === 0);
  await proxy.refuse();
  expect(await free(other, holder)).toBe(true);
  await proxy.restore();
  await until('it is granted', () => wait.granted !== null);
  expect(wait.failed).toBeNull();
  expect(await free(backend, next)).toBe(true);
});

describe('a reply that is lost', () => {
  it('to a waiter: its node is found by its GUID and keeps its place in line', async () => {
    const root = newRoot();
    const { backend, proxy } = await wired(root);
    const other = zooKeeper.backend({ root });
    const name = newName();
    const holder = requestOf(name);
    await take(other, holder);
    proxy.silence('down');
    const request = requestOf(name);
    const wait = watch(stand(backend, request));
    await queued(other, name, 1);
    const behind = requestOf(name);
    const behindWait = watch(stand(other, behind));
    await queued(other, name, 2);
    proxy.cut();
    await proxy.restore();
    await free(other, holder);
    await until('it is granted', () => wait.granted !== null);
    expect([wait.failed, behindWait.granted, await waitersOf(other, name)]).toEqual([null, null, 1]);
    expect(await free(backend, request)).toBe(true);
    await until('the next is granted', () => behindWait.granted !== null);
    await free(other, behind);
  });

  it('to an attempt: its node is found and removed, though nobody asks for it', async () => {
    const root = newRoot();
    const { backend, proxy } = await wired(root);
    const name = newName();
    proxy.silence('down');
    const failing = attempt(backend, requestOf(name)).catch((error: unknown) => error);
    await until('the node is there', async () => (await zooKeeper.admin.children(`${root}/locks/${name}`)).length === 1);
    proxy.cut();
    await proxy.restore();
    expect(await failing).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
    await until('the node is gone', async () => (await zooKeeper.admin.children(`${root}/locks/${name}`)).length === 0);
  });

  it('to a removal: it is repeated, and answered as what it did', async () => {
    const root = newRoot();
    const { backend, proxy } = await wired(root);
    const name = newName();
    const request = requestOf(name);
    await take(backend, request);
    proxy.silence('down');
    const freed = free(backend, request);
    await until('the node is gone', async () => (await zooKeeper.admin.children(`${root}/locks/${name}`)).length === 0);
    proxy.cut();
    await proxy.restore();
    expect(await freed).toBe(true);
    expect(await free(backend, request)).toBe(false);
  });

  it('to a removal that did not arrive: it is repeated until it does', async () => {
    const root = newRoot();
    const { backend, proxy } = await wired(root);
    const name = newName();
    const request = requestOf(name);
    await take(backend, request);
    await proxy.refuse();
    const freed = free(backend, request);
    expect(await zooKeeper.admin.children(`${root}/locks/${name}`)).toHaveLength(1);
    await proxy.restore();
    expect(await freed).toBe(true);
    expect(await zooKeeper.admin.children(`${root}/locks/${name}`)).toHaveLength(0);
  });
});

describe('a node', () => {
  it('is not believed in when another session has made it, though name and place are correct', async () => {
    const root = newRoot();
    const { backend, proxy } = await wired(root);
    const other = zooKeeper.backend({ root });
    const name = newName();
    const holder = requestOf(name);
    await take(other, holder);
    const before = await zooKeeper.admin.children(`${root}/locks/${name}`);
    proxy.silence('down');
    const wait = watch(stand(backend, requestOf(name)));
    await queued(other, name, 1);
    const [mine] = (await zooKeeper.admin.children(`${root}/locks/${name}`)).filter((node) => !before.includes(node));
    // While the reply to its making is lost, the node is replaced: by its GUID it is still found.
    await zooKeeper.admin.remove(`${root}/locks/${name}/${mine}`);
    await zooKeeper.admin.create(`${root}/locks/${name}/${mine}`);
    proxy.cut();
    await proxy.restore();
    await until('it is back', () => backend.checkHealth(callOf()).then(() => true));
    expect(wait).toEqual({ granted: null, failed: null });
    await free(other, holder);
    await until('it is refused', () => wait.failed !== null);
    expect(wait).toMatchObject({ granted: null, failed: { code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true } });
  });

  it('that somebody removes is reported at once, to holders and to those who wait', async () => {
    const root = newRoot();
    const backend = zooKeeper.backend({ root });
    const manager = createLockManager(zooKeeper.backend({ root }));
    const name = newName();
    const lease = await manager.acquire(name, { ttlMs: 60_000 });
    const wait = watch(stand(backend, requestOf(name)));
    await queued(backend, name, 1);
    // The one that waits first: the removal of the other would be its turn.
    const nodes = await zooKeeper.admin.children(`${root}/locks/${name}`);
    const sequence = (node: string): number => Number(node.slice(-10));
    for (const node of nodes.toSorted((a, b) => sequence(b) - sequence(a))) await zooKeeper.admin.remove(`${root}/locks/${name}/${node}`);
    // Its renewal would notice after 20 s.
    await until('both know', () => lease.signal.aborted && wait.failed !== null, { timeoutMs: 5000 });
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'forced' });
    expect(wait.failed).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
    await manager.close();
  });

  it('that is held for a moment costs three requests: none to read the node or to watch it', async () => {
    const relay = await CuttingRelay.open(zooKeeper.server.port);
    const backend = zooKeeper.backend({ root: newRoot(), connectionString: `127.0.0.1:${relay.port}`, sessionTimeoutMs: 60_000 });
    const request = requestOf(newName());
    const requests = (): number[] => new FrameReader().read(relay.requests[0] ?? Buffer.alloc(0)).map((frame) => frame.readInt32BE(8));
    await take(backend, request);
    await free(backend, request);
    const before = requests().length;
    const granted = await stand(backend, { ...request, owner: 'ab'.repeat(16) });
    await free(backend, { ...request, owner: 'ab'.repeat(16) });
    // create2, getChildren2, delete.
    expect(requests().slice(before, before + 3)).toEqual([15, 12, 2]);
    expect(granted.fencingToken).toBeGreaterThan(0n);
    await backend.close();
    await relay.close();
  });

  it('that somebody removes in the first moments of a hold is reported a little later', async () => {
    const root = newRoot();
    const manager = createLockManager(zooKeeper.backend({ root }));
    const name = newName();
    for (let round = 0; round < 5; round += 1) {
      const lease = await manager.acquire(name, { ttlMs: 60_000 });
      const [node] = await zooKeeper.admin.children(`${root}/locks/${name}`);
      await zooKeeper.admin.remove(`${root}/locks/${name}/${node}`);
      await until('the holder knows', () => lease.signal.aborted, { timeoutMs: 5000 });
      expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'forced' });
    }
    await manager.close();
  });

  it('of another program under the same name disturbs nobody', async () => {
    const root = newRoot();
    const backend = zooKeeper.backend({ root });
    const name = newName();
    await take(backend, requestOf(name, 'exclusive'));
    await zooKeeper.admin.create(`${root}/locks/${name}/_c_0f-lock-0000000000`);
    expect(await waitersOf(backend, name)).toBe(0);
    expect(await backend.forceRelease(name, 'lock', callOf())).toBe(true);
    const next = requestOf(name);
    await take(backend, next);
    expect(await free(backend, next)).toBe(true);
  });
});

describe('the node of a name', () => {
  it('is removed when nobody uses it, and made again under those who come meanwhile', async () => {
    const root = newRoot();
    const backends = Array.from({ length: 3 }, () => zooKeeper.backend({ root }));
    const name = newName();
    let removals = 0;
    const taken = backends.map(() => 0);
    let isOver = false;
    const meddler = (async () => {
      while (!isOver) if (await zooKeeper.admin.remove(`${root}/locks/${name}`)) removals += 1;
    })();
    const workers = backends.map(async (backend, index) => {
      while (!isOver) {
        const request = requestOf(name);
        await stand(backend, request);
        taken[index] = (taken[index] ?? 0) + 1;
        expect(await free(backend, request)).toBe(true);
        // Sometimes nobody is there, so that it can go.
        await sleep(Math.random() * 40);
      }
    });
    await until('all had it, and it went under them', () => removals >= 3 && taken.every((count) => count >= 5), { timeoutMs: 20_000 });
    isOver = true;
    await Promise.all([meddler, ...workers]);
    await until('nothing is left', async () => (await nodesUnder(zooKeeper.admin, root)).every((node) => node.startsWith('sessions/')));
  });

  it('that a dead client left empty is cleared away by a listing', async () => {
    const root = newRoot();
    const backend = zooKeeper.backend({ root });
    await backend.checkHealth(callOf());
    await zooKeeper.admin.create(`${root}/locks/left-behind`);
    for await (const state of backend.list?.('', callOf()) ?? []) throw new Error(`${state.name} is not held`);
    await until('it is gone', async () => (await zooKeeper.admin.children(`${root}/locks`)).length === 0);
  });
});

it('says for how long a hold has been held, without the time that it had waited', async () => {
  const root = newRoot();
  const [one, other] = [createLockManager(zooKeeper.backend({ root })), createLockManager(zooKeeper.backend({ root }))];
  const heldMsOf = async (name: string): Promise<number> => (await other.inspect(name)).holders[0]?.heldMs ?? -1;
  const name = newName();
  const began = performance.now();
  const first = await one.acquire(name);
  const waiting = other.acquire(name, { label: 'a worker' });
  await until('it waits', async () => (await one.inspect(name)).waiters === 1);
  await until('it has been held for a while', async () => (await heldMsOf(name)) >= 1_500);
  expect(await heldMsOf(name)).toBeLessThanOrEqual(performance.now() - began + 50);
  const released = performance.now();
  await first.release();
  const second = await waiting;
  await until('the wait is noted', async () => (await heldMsOf(name)) <= performance.now() - released + 50);
  expect(await heldMsOf(name)).toBeGreaterThanOrEqual(0);
  expect((await other.inspect(name)).holders[0]?.label).toBe('a worker');
  await second.release();
  await Promise.all([one.close(), other.close()]);
});

it('does not count the time that the answers to a waiter took as time of its hold', async () => {
  const root = newRoot();
  const { backend, proxy } = await wired(root, 20_000);
  const [far, other] = [createLockManager(backend), createLockManager(zooKeeper.backend({ root }))];
  const name = newName();
  const first = await other.acquire(name);
  proxy.delayMs = 200;
  const waiting = far.acquire(name, { label: 'far away' });
  await until('it is seen to wait', async () => (await far.inspect(name)).waiters === 1);
  proxy.delayMs = 0;
  const released = performance.now();
  await first.release();
  const second = await waiting;
  const holder = async () => (await other.inspect(name)).holders[0];
  await until('the wait is noted', async () => ((await holder())?.heldMs ?? 0) <= performance.now() - released + 50);
  expect((await holder())?.label).toBe('far away');
  await second.release();
  await Promise.all([far.close(), other.close()]);
});

it('keeps the processes of one configuration apart by their roots', async () => {
  const name = newName();
  const [mine, theirs] = [zooKeeper.backend(), zooKeeper.backend()];
  const [one, two] = [requestOf(name), requestOf(name)];
  await take(mine, one);
  await take(theirs, two);
  expect([await free(mine, one), await free(theirs, two)]).toEqual([true, true]);
});

it('makes the nodes above its own again when somebody removes them all', async () => {
  const root = newRoot();
  const backend = zooKeeper.backend({ root });
  const first = requestOf(newName());
  await take(backend, first);
  await free(backend, first);
  await zooKeeper.admin.removeAll(root);
  const request = requestOf(newName());
  await take(backend, request);
  expect(await backend.renew([{ ...request, ttlMs: 1000 }], callOf())).toEqual([true]);
  expect(await free(backend, request)).toBe(true);
  expect(await backend.marks?.set('mark', 10_000, callOf())).toBe(true);
});
