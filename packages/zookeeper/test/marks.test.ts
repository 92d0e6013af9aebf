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
  // The servers run on this machine, by its clock.
  const soon = Date.now() + 20_000;
  await until('nothing but the folders of those that stand is left', async () => (await folderEndsOf(root)).every((end) => end > soon));
});

it('a mark that somebody else wrote is no mark of ours to forget', async () => {
  const root = newRoot();
  const { marks } = zooKeeper.backend({ root });
  expect(await marks?.has('strange', callOf())).toBe(false);
  await zooKeeper.admin.create(`${root}/marks/strange`, 'not ours');
  expect(await marks?.has('strange', callOf())).toBe(true);
  expect(await marks?.set('strange', 1000, callOf())).toBe(false);
});

/** When what lies in each folder has ended, in ms since the epoch: a folder is for 2,048 ms, 512 of them lie in one. */
async function folderEndsOf(root: string): Promise<readonly number[]> {
  const above = await zooKeeper.admin.children(`${root}/mark-ends`);
  const ends = above.map(async (folder) =>
    (await zooKeeper.admin.children(`${root}/mark-ends/${folder}`)).map((number) => (Number(folder) * 512 + Number(number) + 1) * 2_048),
  );
  return (await Promise.all(ends)).flat();
}
