import assert from 'node:assert/strict';
import type { CompletionMarks, LockManager } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, eventually, granted } from '../expectations.js';

/** A mark says that something was done; the first to set it is the one. */
export const markCases: readonly ConformanceCase[] = [
  conformanceCase('marks/first-wins', {
    title: 'a mark is set once; every client sees it',
    needs: ['marks'],
    async run({ manager, peer, name }) {
      const mark = name();
      const [mine, theirs] = [marksOf(manager), marksOf(await peer())];
      assert.equal(await theirs.has(mark), false);
      assert.equal(await mine.set(mark, { retentionMs: 10_000 }), true);
      assert.equal(await theirs.has(mark), true);
      assert.equal(await theirs.set(mark, { retentionMs: 10_000 }), false, 'a mark that stands was set again');
      assert.equal(await mine.set(mark, { retentionMs: 10_000 }), false);
    },
  }),

  conformanceCase('marks/one-of-many', {
    title: 'of many who set it at once exactly one is told that it was the first',
    needs: ['marks'],
    async run({ manager, peer, name }) {
      const mark = name();
      const marks = [marksOf(manager), marksOf(await peer()), marksOf(await peer())];
      const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => granted(marks[i % 3]).set(mark, { retentionMs: 10_000 })));
      assert.equal(answers.filter((first) => first).length, 1);
    },
  }),

  conformanceCase('marks/retention', {
    title: 'a mark is kept for its time, not less, and forgotten afterwards',
    needs: ['marks'],
    async run({ manager, peer, name }) {
      const mark = name();
      const [mine, theirs] = [marksOf(manager), marksOf(await peer())];
      // Read before the call: the store counts from later.
      const start = performance.now();
      assert.equal(await mine.set(mark, { retentionMs: 500 }), true);
      let lastSeen = 0;
      await eventually('the mark is forgotten', async () => {
        const asked = performance.now();
        const stands = await theirs.has(mark);
        if (stands) lastSeen = asked;
        return !stands;
      });
      assert.ok(performance.now() - start >= 490, 'forgotten before its time');
      assert.ok(lastSeen > 0, 'the mark never stood');
      assert.equal(await theirs.set(mark, { retentionMs: 500 }), true);
    },
  }),

  conformanceCase('marks/refused-set-changes-nothing', {
    title: 'a set that is refused neither shortens nor prolongs the mark that stands',
    needs: ['marks'],
    async run({ manager, name }) {
      const marks = marksOf(manager);
      const [long, short] = [name(), name()];
      assert.equal(await marks.set(long, { retentionMs: 20_000 }), true);
      assert.equal(await marks.set(short, { retentionMs: 400 }), true);
      assert.equal(await marks.set(long, { retentionMs: 10 }), false);
      assert.equal(await marks.set(short, { retentionMs: 20_000 }), false);
      await delay(60);
      assert.equal(await marks.has(long), true, 'a refused set shortened the mark');
      await eventually('the short mark is forgotten', async () => !(await marks.has(short)));
      assert.equal(await marks.has(long), true);
    },
  }),

  conformanceCase('marks/outlive-their-setter', {
    title: 'a mark outlives the manager that set it',
    needs: ['marks'],
    async run({ manager, peer, name }) {
      const mark = name();
      const other = await peer();
      assert.equal(await marksOf(other).set(mark, { retentionMs: 10_000 }), true);
      await other.close();
      assert.equal(await marksOf(manager).has(mark), true);
    },
  }),
];

function marksOf(manager: LockManager): CompletionMarks {
  return granted(manager.marks, 'capabilities.marks is true and there are none');
}
