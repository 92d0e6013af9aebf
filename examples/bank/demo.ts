import { setTimeout as sleep } from 'node:timers/promises';
import type { Desk, Job } from './job.js';
import type { Ledger } from './ledger.js';
import type { Printer } from './printer.js';
import type { Teller } from './teller.js';

/** Where the demo takes place. */
export interface Bank {
  readonly ledger: Ledger;
  readonly teller: Teller;
  /** The store of the locks. */
  readonly url: string;
  /** A random name, so that two demos on one server do not meet. */
  readonly run: string;
  readonly printer: Printer;
}

const THINKING_MS = 150;

/** The three acts. Resolves to whether every balance was what it had to be. */
export async function runDemo(bank: Bank): Promise<boolean> {
  const lost = await withoutLock(bank);
  const right = await withLock(bank);
  const fenced = await withSleeper(bank);
  return lost && right && fenced;
}

/** Both have read before either writes: what a busy server does once in a while happens here every time. */
async function withoutLock(bank: Bank): Promise<boolean> {
  bank.printer.heading('1. Without a lock');
  await bank.ledger.open('A', 1000);
  await bank.ledger.open('B', 0);
  const bothReady = meeting(2);
  const bothThink = meeting(2);
  const annIsDone = meeting(1);
  await Promise.all([
    work(bank, { teller: 'Ann', kind: 'withdraw', amount: 200, locked: false }, { ready: bothReady, think: bothThink }).then(annIsDone),
    work(
      bank,
      { teller: 'Bob', kind: 'transfer', amount: 300, locked: false },
      {
        ready: bothReady,
        async think() {
          await bothThink();
          await annIsDone.met;
        },
      },
    ),
  ]);
  const [a, b] = [await bank.ledger.read('A'), await bank.ledger.read('B')];
  const wasLost = a === 700 && b === 300;
  bank.printer.result(
    !wasLost,
    wasLost ? `A = ${a}, B = ${b}. LOST: Ann paid out 200 that are still in the books, because Bob wrote over it.` : unexpected(a, b),
  );
  return wasLost;
}

async function withLock(bank: Bank): Promise<boolean> {
  bank.printer.heading('2. The same two, with a lock on each account');
  await bank.ledger.open('A', 1000);
  await bank.ledger.open('B', 0);
  const bothReady = meeting(2);
  const think = async (): Promise<void> => {
    await sleep(THINKING_MS);
  };
  await Promise.all([
    work(bank, { teller: 'Ann', kind: 'withdraw', amount: 200, locked: true }, { ready: bothReady, think }),
    work(bank, { teller: 'Bob', kind: 'transfer', amount: 300, locked: true }, { ready: bothReady, think }),
  ]);
  const [a, b] = [await bank.ledger.read('A'), await bank.ledger.read('B')];
  const isRight = a === 500 && b === 300;
  bank.printer.result(isRight, isRight ? `A = ${a}, B = ${b}. Correct.` : unexpected(a, b));
  return isRight;
}

/** Dan comes when Cleo is asleep; Cleo wakes when Dan has written. */
async function withSleeper(bank: Bank): Promise<boolean> {
  bank.printer.heading('3. What no lock can do, and the fencing token can: a teller falls asleep');
  await bank.ledger.open('C', 1000);
  const cleoSleeps = meeting(1);
  const danIsDone = meeting(1);
  await Promise.all([
    work(
      bank,
      { teller: 'Cleo', kind: 'withdraw-late', amount: 100, locked: true },
      {
        async ready() {},
        async think() {
          await cleoSleeps();
          await danIsDone.met;
        },
      },
    ),
    work(bank, { teller: 'Dan', kind: 'deposit', amount: 50, locked: true }, { ready: () => cleoSleeps.met, async think() {} }).then(
      danIsDone,
    ),
  ]);
  const c = await bank.ledger.read('C');
  bank.printer.result(
    c === 1050,
    c === 1050 ? `C = ${c}. Correct: Dan's 50 are there, and Cleo must start again.` : `C = ${c}, and it had to be 1050. WRONG.`,
  );
  return c === 1050;
}

async function work(bank: Bank, job: Omit<Job, 'url' | 'run'>, desk: Omit<Desk, 'say'>): Promise<void> {
  await bank.teller(
    { ...job, url: bank.url, run: bank.run },
    {
      ...desk,
      async say(text) {
        bank.printer.step(job.teller, text);
      },
    },
  );
}

interface Meeting {
  /** Arrives, and waits for the others. */
  (): Promise<void>;
  readonly met: Promise<void>;
}

function meeting(people: number): Meeting {
  let missing = people;
  let begin: () => void = () => {};
  const met = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const arrive = (): Promise<void> => {
    missing -= 1;
    if (missing === 0) begin();
    return met;
  };
  return Object.assign(arrive, { met });
}

function unexpected(a: number, b: number): string {
  return `A = ${a}, B = ${b}, and that is WRONG.`;
}
