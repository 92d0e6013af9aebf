import { expect, it } from 'vitest';
import { createWatcher, type NodeChange, WatchTable } from '../src/watch-table.js';

const REMOVED = 2;
const CHANGED = 3;
const CHILDREN = 4;

function watcherInto(told: NodeChange[]): ReturnType<typeof createWatcher> {
  return createWatcher((change) => void told.push(change));
}

it('tells each watcher once for each look, by what changed', () => {
  const table = new WatchTable();
  const told: NodeChange[] = [];
  const watcher = watcherInto(told);
  for (let looks = 0; looks < 20; looks += 1) table.registerDataWatcher('/a', watcher);
  expect(table.size).toBe(1);
  table.emit({ type: CHILDREN, path: '/a' });
  table.emit({ type: CHANGED, path: '/b' });
  expect(told).toEqual([]);
  table.emit({ type: CHANGED, path: '/a' });
  table.emit({ type: CHANGED, path: '/a' });
  expect(told).toEqual(['changed']);
  expect(table.size).toBe(0);
});

it('tells who watches the children of a node that is removed', () => {
  const table = new WatchTable();
  const told: NodeChange[] = [];
  table.registerChildWatcher('/a', watcherInto(told));
  table.registerDataWatcher('/a', watcherInto(told));
  table.emit({ type: REMOVED, path: '/a' });
  expect(told).toEqual(['removed', 'removed']);
  expect(table.size).toBe(0);
});

it('forgets a watcher that is ended, wherever it stands, and one that is ended before its look is answered', () => {
  const table = new WatchTable();
  const told: NodeChange[] = [];
  const [staying, leaving] = [watcherInto(told), watcherInto([])];
  table.registerDataWatcher('/a', staying);
  for (const path of ['/a', '/b', '/c']) table.registerDataWatcher(path, leaving);
  table.registerChildWatcher('/b', leaving);
  expect(table.size).toBe(5);
  leaving.end();
  table.registerDataWatcher('/late', leaving);
  expect(table.size).toBe(1);
  table.emit({ type: CHANGED, path: '/a' });
  expect(told).toEqual(['changed']);
});

it('lets a watcher look again while it is notified', () => {
  const table = new WatchTable();
  let told = 0;
  const watcher = createWatcher(() => {
    told += 1;
    table.registerDataWatcher('/a', watcher);
  });
  table.registerDataWatcher('/a', watcher);
  table.emit({ type: CHANGED, path: '/a' });
  expect([told, table.size]).toEqual([1, 1]);
  table.emit({ type: CHANGED, path: '/a' });
  expect(told).toBe(2);
});

it('ignores events of types that it does not know', () => {
  const table = new WatchTable();
  const told: NodeChange[] = [];
  table.registerDataWatcher('/a', watcherInto(told));
  for (const type of [-1, 0, 5, 6, 7, 99]) table.emit({ type, path: '/a' });
  expect(told).toEqual([]);
  expect(table.size).toBe(1);
  table.clear();
  expect(table.size).toBe(0);
});
