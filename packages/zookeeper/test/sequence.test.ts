import { until } from '@holdfast/test/servers';
import { callOf, free, requestOf, take } from '@holdfast/test/backend';
import { describe, expect, it } from 'vitest';
import { encodeName, decodeName, parseNode, type QueueEntry } from '../src/node-names.js';
import { blockerOf, byAge, holdersOf, isGranted, isWatchedFromAfar, lastInFront } from '../src/queue-rules.js';
import { newRoot, stand, useZooKeeper } from './zookeeper-harness.js';
import { transactionLog } from './transaction-log.js';

const LAST = 2 ** 31 - 1;
const NAME = 'busy-for-years';
const root = newRoot();
const parent = `${root}/locks/${NAME}`;

describe('a name whose numbers are used up', () => {
  // The node of another program keeps the name's node, and with it the counter, alive.
  const zooKeeper = useZooKeeper({
    transactions: transactionLog([
      { path: root, parentCounter: 1 },
      { path: `${root}/locks`, parentCounter: 1 },
      { path: parent, parentCounter: 1 },
      { path: `${parent}/kept`, parentCounter: LAST - 2 },
    ]),
  });

  it('is still handed on in the order of those who came', async () => {
    const backends = [zooKeeper.backend({ root }), zooKeeper.backend({ root })];
    const [first] = backends;
    if (first === undefined) throw new Error('no backend');
    const holder = requestOf(NAME);
    await take(first, holder);
    const order: number[] = [];
    const tokens: bigint[] = [];
    const waits: Promise<void>[] = [];
    for (let index = 0; index < 8; index += 1) {
      const backend = backends[index % 2] ?? first;
      const request = requestOf(NAME);
      waits.push(
        stand(backend, request).then(async ({ fencingToken }) => {
          order.push(index);
          tokens.push(fencingToken);
          await free(backend, request);
        }),
      );
      await until('it stands in line', async () => (await first.inspect(NAME, 'lock', callOf())).waiters === index + 1);
    }
    const numbers = (await zooKeeper.admin.children(parent)).flatMap((node) => parseNode(node)?.sequence ?? []);
    // This is what makes it hard: the server gives the last number, or those below zero, to all that come after.
    expect(numbers.filter((number) => number === LAST || number < 0).length).toBeGreaterThan(5);
    await free(first, holder);
    await Promise.all(waits);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(tokens.every((token, index) => index === 0 || token > (tokens[index - 1] ?? 0n))).toBe(true);
  });
});

describe('the order of numbers', () => {
  const entry = (sequence: number, over: Partial<QueueEntry> = {}): QueueEntry => ({
    node: `n${sequence}`,
    guid: `${sequence}`,
    mode: 'exclusive',
    permits: 1,
    limit: 1,
    sequence,
    ...over,
  });

  it('goes on past 2^31', () => {
    const numbers = [LAST - 1, LAST, -(2 ** 31), -(2 ** 31) + 1];
    const shuffled = [2, 0, 3, 1].map((index) => entry(numbers[index] ?? 0));
    expect(shuffled.sort(byAge).map(({ sequence }) => sequence)).toEqual(numbers);
    expect([entry(9), entry(10), entry(0)].sort(byAge).map(({ sequence }) => sequence)).toEqual([0, 9, 10]);
    expect([entry(-1), entry(1), entry(0)].sort(byAge).map(({ sequence }) => sequence)).toEqual([-1, 0, 1]);
  });

  it('is read from names as servers write them', () => {
    const guid = 'a'.repeat(32);
    expect(parseNode(`${guid}-exclusive-0000000007`)).toMatchObject({ guid, mode: 'exclusive', permits: 1, sequence: 7 });
    expect(parseNode(`${guid}-permits-2of5--2147483648`)).toMatchObject({ mode: 'permits', permits: 2, limit: 5, sequence: -(2 ** 31) });
    expect(parseNode(`${guid}-write--000000001`)).toMatchObject({ mode: 'write', sequence: -1 });
    for (const strange of ['', 'lock-0000000000', `${guid}-other-0000000000`, `${guid}-read-7`, `_c_${guid}-lock-0000000000`]) {
      expect(parseNode(strange)).toBeNull();
    }
  });

  it('decides who has what, and whom to watch', () => {
    const readers = [entry(1, { mode: 'read' }), entry(2, { mode: 'read' }), entry(3, { mode: 'write' }), entry(4, { mode: 'read' })];
    expect(readers.map((_, index) => isGranted(readers, index))).toEqual([true, true, false, false]);
    expect([blockerOf(readers, 2), blockerOf(readers, 3)].map((blocker) => blocker?.sequence)).toEqual([2, 3]);
    const permits = [3, 1, 2, 1].map((count, index) => entry(index, { mode: 'permits', permits: count, limit: 4 }));
    expect(holdersOf(permits).map(({ sequence }) => sequence)).toEqual([0, 1]);
    // As many as twice the limit look at all holders; who is further back watches the one that lets it come near.
    const line = Array.from({ length: 9 }, (_, index) => entry(index, { mode: 'permits', permits: 1, limit: 2 }));
    expect(line.map((_, index) => blockerOf(line, index)?.sequence ?? null).slice(2)).toEqual([null, null, null, null, 2, 3, 4]);
    expect(line.map((_, index) => isWatchedFromAfar(line, index))).toEqual([true, true, true, true, true, false, false, false, false]);
    const wide = Array.from({ length: 30 }, (_, index) => entry(index, { mode: 'permits', permits: 1, limit: 10 }));
    expect([blockerOf(wide, 17), blockerOf(wide, 18)].map((blocker) => blocker?.sequence)).toEqual([undefined, 10]);
    // Under different limits, each counts by its own.
    const mixed = [
      entry(0, { mode: 'permits', permits: 4, limit: 4 }),
      ...line.slice(1, 4),
      entry(4, { mode: 'permits', permits: 1, limit: 1 }),
    ];
    expect([blockerOf(mixed, 3), blockerOf(mixed, 4)].map((blocker) => blocker?.sequence)).toEqual([undefined, 2]);
    // Who is next in line watches all that are in its way.
    const last = (queue: readonly QueueEntry[], index: number): unknown =>
      lastInFront(queue, index)?.map(({ sequence }) => sequence) ?? null;
    expect([last(readers, 2), last(readers, 3), last(readers.slice(1), 1)]).toEqual([null, [3], [2]]);
    expect([last(permits, 2), last(permits, 3)]).toEqual([[0, 1], null]);
    expect([last(line, 2), last(line, 3), last(wide, 10)]).toEqual([[0, 1], null, null]);
    expect(isWatchedFromAfar(mixed, 2)).toBe(true);
  });
});

describe('the name of a node', () => {
  it('stands for one name only, whatever is in that', () => {
    const names = [
      'plain',
      'a/b',
      '.',
      '..',
      '...',
      '%2E',
      '%',
      'a b',
      'ä',
      '😀',
      '\u0000',
      '\u001f',
      '\ue000',
      '__proto__',
      'A',
      'a',
      '*',
      '{x}',
    ];
    const encoded = names.map(encodeName);
    expect(new Set(encoded).size).toBe(names.length);
    expect(encoded.map(decodeName)).toEqual(names);
    for (const segment of encoded) expect(segment).toMatch(/^(?!\.{1,2}$)[\w.!~*'()%-]+$/);
    for (const strange of ['%', '%zz', 'ä', '%2e', '%61']) expect(decodeName(strange)).toBeNull();
  });
});
