import assert from 'node:assert/strict';
import { type CompletionMarks, isLockError, type LockManager, type MarkState } from '../../index.js';
import { type ConformanceCase, conformanceCase, type World } from '../conformance-case.js';
import { delay, eventually, granted, rejectsWith, SHORT_TTL_MS, SOON_MS } from '../expectations.js';

/** A mark says that something was done; the first to set it is the one. */
export const markCases: readonly ConformanceCase[] = [
  markCase('first-wins', 'a mark is set once; every client sees it', async ({ mine, theirs, mark }) => {
    assert.equal(await theirs.has(mark), false);
    assert.equal(await mine.set(mark, { retentionMs: 60_000 }), true);
    assert.equal(await theirs.has(mark), true);
    assert.equal(await theirs.set(mark, { retentionMs: 60_000 }), false, 'a mark that stands was set again');
    assert.equal(await mine.set(mark, { retentionMs: 60_000 }), false);
  }),

  markCase(
    'one-of-many',
    'of many who set it at once exactly one is notified that it was the first',
    async ({ peer, mine, theirs, mark }) => {
      const marks = [mine, theirs, marksOf(await peer())];
      const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => granted(marks[i % 3]).set(mark, { retentionMs: 60_000 })));
      assert.equal(answers.filter((first) => first).length, 1);
    },
  ),

  markCase('retention', 'a mark is kept for its time, not less, and forgotten afterwards', async ({ mine, theirs, mark }) => {
    // Read before the call: the store counts from later.
    const start = performance.now();
    assert.equal(await mine.set(mark, { retentionMs: 1_500 }), true);
    let lastSeen = 0;
    await eventually('the mark is forgotten', async () => {
      const asked = performance.now();
      const stands = await theirs.has(mark);
      if (stands) lastSeen = asked;
      return !stands;
    });
    assert.ok(performance.now() - start >= 1_490, 'forgotten before its time');
    assert.ok(lastSeen > 0, 'the mark never stood');
    assert.equal(await theirs.set(mark, { retentionMs: 1_500 }), true);
  }),

  markCase(
    'refused-set-changes-nothing',
    'a set that is refused neither shortens nor prolongs the mark that stands',
    async ({ name, mine }) => {
      const [long, short] = [name(), name()];
      assert.equal(await mine.set(long, { retentionMs: 60_000 }), true);
      assert.equal(await mine.set(short, { retentionMs: 2_000 }), true);
      assert.equal(await mine.set(long, { retentionMs: 10 }), false);
      assert.equal(await mine.set(short, { retentionMs: 60_000 }), false);
      await delay(60);
      assert.equal(await mine.has(long), true, 'a refused set shortened the mark');
      await eventually('the short mark is forgotten', async () => !(await mine.has(short)));
      assert.equal(await mine.has(long), true);
    },
  ),

  markCase('outlive-their-setter', 'a mark outlives the manager that set it', async ({ peer, mine, mark }) => {
    const other = await peer();
    assert.equal(await marksOf(other).set(mark, { retentionMs: 60_000 }), true);
    await other.close();
    assert.equal(await mine.has(mark), true);
  }),

  markCase(
    'same-owner',
    'asked twice by one owner a set is true twice; the mark keeps its end, and is no other owner’s',
    async ({ mine, theirs, mark }) => {
      assert.equal(await mine.set(mark, { retentionMs: 2_000, owner: 'run 1' }), true);
      assert.equal(await mine.set(mark, { retentionMs: 60_000, owner: 'run 1' }), true, 'a lost reply could not be asked for once more');
      assert.equal(await theirs.set(mark, { retentionMs: 60_000, owner: 'run 2' }), false);
      assert.equal(await theirs.set(mark, { retentionMs: 60_000, owner: 'run 1' }), true, 'an owner is not bound to a client');
      assert.equal(await theirs.set(mark, { retentionMs: 60_000 }), false, 'who names nobody was taken for the owner');
      await eventually('the mark ends when it was to end', async () => !(await theirs.has(mark)));
      assert.equal(await theirs.set(mark, { retentionMs: 60_000, owner: 'run 2' }), true);
      assert.equal(
        await mine.set(mark, { retentionMs: 60_000, owner: 'run 1' }),
        false,
        'one whose mark has ended was taken for the owner',
      );
    },
  ),

  markCase('ten-years', 'a mark may stand for ten years, and for no longer', async ({ name, mine }) => {
    const [long, longer] = [name(), name()];
    assert.equal(await mine.set(long, { retentionMs: TEN_YEARS_MS }), true);
    assert.equal(await mine.has(long), true);
    await rejectsWith('LOCK_INVALID_ARGUMENT', mine.set(longer, { retentionMs: TEN_YEARS_MS + 1 }));
    const state = await supported(mine.get(long));
    if (state !== UNSUPPORTED) assert.ok((state?.remainingMs ?? 0) > TEN_YEARS_MS - 60_000, 'it does not stand for so long');
  }),

  markCase('each', 'several marks are set and asked for at once, and each answer is that of its own', async ({ name, mine, theirs }) => {
    const names = Array.from({ length: 40 }, () => name());
    const odd = names.filter((_, index) => index % 2 === 1);
    assert.deepEqual(
      await mine.setEach(odd.map((each) => ({ name: each, retentionMs: 60_000 }))),
      odd.map(() => true),
    );
    assert.deepEqual(
      await theirs.hasEach(names),
      names.map((_, index) => index % 2 === 1),
    );
    const answers = await theirs.setEach(names.map((each) => ({ name: each, retentionMs: 60_000, owner: 'one' })));
    assert.deepEqual(
      answers,
      names.map((_, index) => index % 2 === 0),
    );
    assert.deepEqual(await mine.hasEach([...names, name()]), [...names.map(() => true), false]);
    assert.deepEqual(await mine.hasEach([]), []);
    assert.deepEqual(await mine.setEach([]), []);
  }),

  markCase(
    'get',
    'a mark says what it is for, who set it, how long ago, and for how long it stands',
    async ({ name, mine, theirs, mark }) => {
      const plain = name();
      if ((await supported(theirs.get(mark))) === UNSUPPORTED) return;
      assert.equal(await theirs.get(mark), null);
      const label = 'π\n"{}\u0000 ☃ host:1';
      await mine.set(mark, { retentionMs: 60_000, label, outcome: 'failed' });
      await delay(100);
      const state = granted(await theirs.get(mark), 'the mark stands and was not found');
      assert.deepEqual([state.name, state.outcome, state.label], [mark, 'failed', label]);
      assert.ok(state.ageMs >= 90 && state.ageMs < 10_000, `${state.ageMs} ms old`);
      assert.ok(state.remainingMs > 40_000 && state.remainingMs <= 60_000, `${state.remainingMs} ms left`);
      await mine.set(plain, { retentionMs: 60_000 });
      assert.equal((await theirs.get(plain))?.outcome, 'succeeded');
    },
  ),

  markCase('delete', 'a mark that is taken away does not stand, and may be set by anybody', async ({ mine, theirs, mark }) => {
    await mine.set(mark, { retentionMs: 60_000, owner: 'one' });
    const stood = await supported(theirs.delete(mark));
    if (stood === UNSUPPORTED) return;
    assert.equal(stood, true);
    assert.equal(await mine.has(mark), false);
    assert.equal(await theirs.delete(mark), false);
    assert.equal(await theirs.set(mark, { retentionMs: 60_000, owner: 'two' }), true);
    assert.equal(await mine.set(mark, { retentionMs: 60_000, owner: 'one' }), false);
  }),

  markCase('list', 'the marks that stand are listed by their prefix, and no others', async ({ name, mine, theirs }) => {
    const base = name();
    const names = Array.from({ length: 30 }, (_, index) => `${base}/${index}`);
    await mine.setEach(names.map((each) => ({ name: each, retentionMs: 60_000, label: each })));
    await mine.set(`${base}%`, { retentionMs: 60_000 });
    await mine.set(`${base}/short`, { retentionMs: SHORT_TTL_MS });
    await eventually('it has ended', async () => !(await mine.has(`${base}/short`)));
    const found = await supported(listed(theirs, `${base}/`));
    if (found === UNSUPPORTED) return;
    assert.deepEqual(found.map(({ name: each }) => each).sort(), [...names].sort());
    for (const { name: each, label, remainingMs } of found) {
      assert.equal(label, each);
      assert.ok(remainingMs > 40_000);
    }
  }),

  markCase(
    'while-closing',
    'who is given time to end may note what is done; when it has ended nobody may',
    async ({ peer, name, mark }) => {
      const closing = await peer();
      const done = closing.withLock(name(), async () => {
        const closed = closing.close({ drainMs: SOON_MS });
        assert.equal(await marksOf(closing).set(mark, { retentionMs: 60_000 }), true);
        return { closed };
      });
      await (await done).closed;
      await rejectsWith('LOCK_CLOSED', marksOf(closing).has(mark));
    },
  ),
];

/** The marks of a manager and of a peer, and a name that nobody has marked. */
interface MarkWorld extends Pick<World, 'peer' | 'name'> {
  readonly mine: CompletionMarks;
  readonly theirs: CompletionMarks;
  readonly mark: string;
}

function markCase(id: string, title: string, run: (world: MarkWorld) => Promise<void>): ConformanceCase {
  return conformanceCase(`marks/${id}`, {
    title,
    needs: ['marks'],
    run: async ({ manager, peer, name, lock: mark }) => run({ peer, name, mine: marksOf(manager), theirs: marksOf(await peer()), mark }),
  });
}

const TEN_YEARS_MS = 315_576_000_000;
const UNSUPPORTED = Symbol('unsupported');

/** What a backend may do without. */
async function supported<T>(call: Promise<T>): Promise<T | typeof UNSUPPORTED> {
  return await call.catch((error: unknown) => {
    if (isLockError(error, 'LOCK_UNSUPPORTED')) return UNSUPPORTED;
    throw error;
  });
}

async function listed(marks: CompletionMarks, prefix: string): Promise<readonly MarkState[]> {
  const states: MarkState[] = [];
  for await (const state of marks.list({ prefix })) states.push(state);
  return states;
}

export function marksOf(manager: LockManager): CompletionMarks {
  return granted(manager.marks, 'capabilities.marks is true and there are none');
}
