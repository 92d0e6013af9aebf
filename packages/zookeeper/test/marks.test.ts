import { until } from '@holdfast/test/servers';
import { callOf } from '@holdfast/test/backend';
import { expect, it } from 'vitest';
import { newRoot, useZooKeeper } from './zookeeper-harness.js';

const zooKeeper = useZooKeeper();

it('marks that are over are cleared away by those who set others, and marks that stand are not', async () => {
  const root = newRoot();
  const { marks } = zooKeeper.backend({ root });
  if (marks === undefined) throw new Error('no marks');
  expect(await marks.set('over', 50, callOf())).toBe(true);
  expect(await marks.set('stands', 60_000, callOf())).toBe(true);
  await until('it is over', async () => !(await marks.has('over', callOf())));
  expect(await zooKeeper.admin.children(`${root}/marks`)).toHaveLength(2);
  const other = zooKeeper.backend({ root }).marks;
  expect(await other?.set('another', 60_000, callOf())).toBe(true);
  await until('it is cleared away', async () => (await zooKeeper.admin.children(`${root}/marks`)).length === 2);
  expect((await zooKeeper.admin.children(`${root}/marks`)).toSorted()).toEqual(['another', 'stands']);
  expect(await marks.set('over', 60_000, callOf())).toBe(true);
  await until('nothing but the folders of those that stand is left', async () => (await foldersOf(root)).length <= 2);
});

it('a hundred marks a second beside those that stand leave few behind that have ended', async () => {
  const root = newRoot();
  const { marks } = zooKeeper.backend({ root });
  const standing = Array.from({ length: 500 }, (_, index) => ({ name: `stands ${index}`, retentionMs: 3_600_000, owner: '', label: 'x' }));
  await marks?.setEach?.(standing, callOf());
  let most = 0;
  const end = performance.now() + 20_000;
  for (let number = 0; performance.now() < end; number += 1) {
    const some = Array.from({ length: 20 }, (_, index) => ({ name: `${number} ${index}`, retentionMs: 1_000, owner: '', label: 'x' }));
    await marks?.setEach?.(some, callOf());
    if (number % 25 === 24) most = Math.max(most, (await zooKeeper.admin.children(`${root}/marks`)).length - standing.length);
    await new Promise((resolve) => setTimeout(resolve, 190));
  }
  // A hundred stand at any moment; the others have ended.
  expect(most).toBeGreaterThan(100);
  expect(most).toBeLessThan(1_100);
});

it('a mark that somebody else wrote is no mark of ours to forget', async () => {
  const root = newRoot();
  const { marks } = zooKeeper.backend({ root });
  expect(await marks?.has('strange', callOf())).toBe(false);
  await zooKeeper.admin.create(`${root}/marks/strange`, 'not ours');
  expect(await marks?.has('strange', callOf())).toBe(true);
  expect(await marks?.set('strange', 1000, callOf())).toBe(false);
});

async function foldersOf(root: string): Promise<readonly string[]> {
  const above = await zooKeeper.admin.children(`${root}/mark-ends`);
  const below = await Promise.all(above.map((folder) => zooKeeper.admin.children(`${root}/mark-ends/${folder}`)));
  return below.flat();
}
