import { connect, type LockManager } from 'holdfast';
import { type Ledger, StaleWriteError } from './ledger.js';

/** What one teller is to do. Plain data: it may have to travel to another process. */
export interface Job {
  readonly teller: string;
  readonly kind: 'withdraw' | 'transfer' | 'deposit' | 'withdraw-late';
  readonly amount: number;
  /** Without a lock the job does what most programs do: hope. */
  readonly locked: boolean;
  /** The store that the locks are in. */
  readonly url: string;
  /** Keeps the names of this run apart from those of others. */
  readonly run: string;
}

/** How a teller meets the rest of the bank. The demo decides here who acts when. */
export interface Desk {
  /** Resolves when work may begin. */
  ready(): Promise<void>;
  say(text: string): Promise<void>;
  /** The time between reading a balance and writing the new one. */
  think(): Promise<void>;
}

/** How long the lease of the teller who falls asleep lasts. */
const SLEEPERS_TTL_MS = 500;

/** One teller's work, from connecting to the last write. */
export async function runJob(job: Job, desk: Desk, ledger: Ledger): Promise<void> {
  const locks = job.locked ? await connect(job.url, { require: ['fencing'], label: job.teller }) : null;
  try {
    await desk.ready();
    if (job.kind === 'withdraw') await onAccounts(['A'], job, desk, locks, (token) => change(ledger, desk, token, { A: -job.amount }));
    if (job.kind === 'transfer') {
      await onAccounts(['A', 'B'], job, desk, locks, (token) => change(ledger, desk, token, { A: -job.amount, B: job.amount }));
    }
    if (job.kind === 'deposit') await onAccounts(['C'], job, desk, locks, (token) => change(ledger, desk, token, { C: job.amount }));
    if (job.kind === 'withdraw-late' && locks !== null) await withdrawLate(job, desk, ledger, locks);
  } finally {
    await locks?.close();
  }
}

type TokenOf = (account: string) => bigint | null;

/** Runs `work` under the locks of its accounts, all or none of them, if there are to be locks. */
async function onAccounts(
  accounts: readonly string[],
  job: Job,
  desk: Desk,
  locks: LockManager<bigint> | null,
  work: (token: TokenOf) => Promise<void>,
): Promise<void> {
  if (locks === null) return await work(() => null);
  await desk.say(`asks for the lock on ${accounts.join(' and ')}`);
  await locks.withAll(
    accounts.map((account) => lockName(job, account)),
    async (leases) => {
      const token = (account: string): bigint => leases.get(lockName(job, account)).fencingToken;
      await desk.say(`has the lock, token ${accounts.map(token).join(' and ')}`);
      await work(token);
      await desk.say('is done and frees the lock');
    },
  );
}

/** Reads the balances, thinks, writes the new ones. */
async function change(ledger: Ledger, desk: Desk, token: TokenOf, changes: Readonly<Record<string, number>>): Promise<void> {
  const after: [string, number][] = [];
  for (const [account, difference] of Object.entries(changes)) {
    const balance = await ledger.read(account);
    await desk.say(`reads  ${account} = ${balance}`);
    after.push([account, balance + difference]);
  }
  await desk.think();
  for (const [account, balance] of after) {
    await ledger.write(account, balance, token(account));
    await desk.say(`writes ${account} = ${balance}`);
  }
}

/**
 * A teller who falls asleep with the lock, as a process does whose machine is suspended: nothing is renewed, the lease
 * runs out, and on waking it writes what it had in mind. No lock can prevent that; the account can, by the token.
 */
async function withdrawLate(job: Job, desk: Desk, ledger: Ledger, locks: LockManager<bigint>): Promise<void> {
  const lease = await locks.acquire(lockName(job, 'C'), { ttlMs: SLEEPERS_TTL_MS, renew: false });
  await desk.say(`has the lock on C for ${SLEEPERS_TTL_MS} ms, token ${lease.fencingToken}`);
  const balance = await ledger.read('C');
  await desk.say(`reads  C = ${balance}, and falls asleep`);
  await desk.think();
  await desk.say(`wakes up (lease.isHeld: ${lease.isHeld}) and writes C = ${balance - job.amount} anyway`);
  try {
    await ledger.write('C', balance - job.amount, lease.fencingToken);
    await desk.say('... and nobody stopped it');
  } catch (error) {
    if (!(error instanceof StaleWriteError)) throw error;
    await desk.say(`is REFUSED: C was written with the higher token ${error.seen}`);
  }
  await lease.release();
}

function lockName(job: Job, account: string): string {
  return `${job.run}:lock:${account}`;
}
