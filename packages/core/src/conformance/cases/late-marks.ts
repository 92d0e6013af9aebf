import assert from 'node:assert/strict';
import { type CompletionMarks, isLockError } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, describe, skewedClock, within } from '../expectations.js';
import { onItsWay } from './late.js';
import { marksOf } from './marks.js';

const KEPT = { retentionMs: 60_000 };
const COMMAND_MS = 300;
/** Within this the time of such a command is over, by whatever clock it is reckoned. */
const OVER_MS = 600;
const HOUR_MS = 3_600_000;

/** What is done to marks may arrive when its caller has long been given an answer, and others have gone on. */
export const lateMarkCases: readonly ConformanceCase[] = [
  lateMarkCase('set', 'a mark that is set late does not come back behind its deletion', 0, setLate),
  lateMarkCase('set-clock-ahead', 'nor does one of a client whose clock is an hour ahead', HOUR_MS, setLate),
  lateMarkCase('deletion', 'a deletion that arrives late leaves a mark that was set since', 0, deleteLate),
];

function lateMarkCase(id: string, title: string, skewMs: number, run: (world: MarkWorld) => Promise<void>): ConformanceCase {
  return conformanceCase(`late/mark-${id}`, {
    title,
    needs: ['marks'],
    faults: ['deliverLate'],
    options: { commandTimeoutMs: COMMAND_MS, ...(skewMs === 0 ? {} : { clock: skewedClock(skewMs) }) },
    timeoutMs: 30_000,
    async run({ manager, peer, faults, name }) {
      const [mine, theirs] = [marksOf(manager), marksOf(await peer())];
      const names = [name(), name(), name(), name()];
      try {
        await theirs.delete(name());
      } catch (error) {
        // Where no mark can be deleted, none can come back.
        if (isLockError(error, 'LOCK_UNSUPPORTED')) return;
        throw error;
      }
      const sendLate = async (calls: () => readonly Promise<unknown>[]): Promise<() => Promise<void>> => {
        // Over connections that stand: what is late is then the request, and no greeting.
        await mine.hasEach(names);
        const late = await faults.deliverLate();
        const outcomes = Promise.allSettled(calls());
        await onItsWay(late);
        for (const outcome of await within('the calls that are late', outcomes)) {
          // Carried out at its second try, over a new connection, is as good.
          if (outcome.status === 'rejected') assert.ok(isLockError(outcome.reason, 'LOCK_BACKEND_UNAVAILABLE'), describe(outcome.reason));
        }
        await delay(OVER_MS);
        return () => late.deliver();
      };
      await run({ mine, theirs, names, sendLate });
    },
  });
}

interface MarkWorld {
  readonly mine: CompletionMarks;
  readonly theirs: CompletionMarks;
  readonly names: readonly string[];
  /** Sends what `calls` asks for over connections that are cut before it arrives. @returns what lets it arrive */
  readonly sendLate: (calls: () => readonly Promise<unknown>[]) => Promise<() => Promise<void>>;
}

async function setLate({ mine, theirs, names, sendLate }: MarkWorld): Promise<void> {
  const [single = '', ...several] = names;
  const deliver = await sendLate(() => [mine.set(single, KEPT), mine.setEach(several.map((name) => ({ name, ...KEPT })))]);
  await Promise.all(names.map((name) => theirs.delete(name)));
  await deliver();
  await delay(100);
  assert.deepEqual(
    await theirs.hasEach(names),
    names.map(() => false),
    'a mark that was deleted stands, as its request has come late',
  );
}

async function deleteLate({ mine, theirs, names, sendLate }: MarkWorld): Promise<void> {
  await mine.setEach(names.map((name) => ({ name, ...KEPT })));
  const deliver = await sendLate(() => names.map((name) => mine.delete(name)));
  for (const name of names) {
    // oxlint-disable-next-line no-await-in-loop
    await theirs.delete(name);
    // oxlint-disable-next-line no-await-in-loop
    assert.equal(await theirs.set(name, { ...KEPT, owner: 'the next run' }), true);
  }
  await deliver();
  await delay(100);
  assert.deepEqual(
    await theirs.hasEach(names),
    names.map(() => true),
    'a deletion that has come late took the mark of somebody else',
  );
}
