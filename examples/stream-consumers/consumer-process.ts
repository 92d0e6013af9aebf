import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type LockManager } from 'holdfast';
import { createJobLockManager, type JobLockManager } from 'holdfast/jobs';
import { type Delivery, PaymentStream } from './payment-stream.js';

/** What main.ts hands over. */
interface Consumer {
  readonly name: string;
  readonly url: string;
  readonly run: string;
  /** The payment, counted from 1, at which this consumer hangs; 0: none. */
  readonly hangsAt: number;
}
/** What it hears. */
export type News = { readonly payment: string; readonly what: 'hangs' | 'booked' | 'knew' };

process.on('disconnect', () => process.exit(0));
process.on('message', (consumer: Consumer) => void consume(consumer));

async function consume({ name, url, run, hangsAt }: Consumer): Promise<void> {
  const locks = await connect(url, { ttlMs: 1_500, label: name });
  const jobs = createJobLockManager(locks);
  const stream = new PaymentStream(url, run);
  const think = thinker(hangsAt);
  for (;;) {
    for (const delivery of await stream.next(name)) {
      try {
        if (await isDone(delivery, run, { locks, jobs, stream, think })) await stream.acknowledge(delivery.id);
      } catch (error) {
        // Not acknowledged, so it comes again, here or elsewhere.
        console.error(`${name}  ${delivery.payment}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
}

interface Tools {
  readonly locks: LockManager;
  readonly jobs: JobLockManager;
  readonly stream: PaymentStream;
  /** The time between reading a balance and writing the new one. */
  readonly think: (payment: string, signal: AbortSignal) => Promise<void>;
}

/** Books a payment unless it is booked. Answers whether the message has served its purpose. */
async function isDone({ payment, account, amount }: Delivery, run: string, { locks, jobs, stream, think }: Tools): Promise<boolean> {
  // By the payment's own number, not by the message's: then two messages about one payment book it once.
  const result = await jobs.processOnce(`${run}:${payment}`, () =>
    // One at a time for each account: the new balance is made from the old one.
    locks.withLock(`${run}:account:${account}`, async ({ signal }) => {
      const balance = await stream.balance(account);
      await think(payment, signal);
      await stream.setBalance(account, balance + amount);
      tell(payment, 'booked');
    }),
  );
  if (!result.ran && result.because === 'done') tell(payment, 'knew');
  // Busy: another consumer has it, and may yet fail.
  return result.ran || result.because === 'done';
}

function thinker(hangsAt: number): Tools['think'] {
  let count = 0;
  return async (payment, signal) => {
    count += 1;
    if (count === hangsAt) tell(payment, 'hangs');
    await sleep(count === hangsAt ? 3_600_000 : 20, undefined, { signal });
  };
}

function tell(payment: string, what: News['what']): void {
  process.send?.({ payment, what } satisfies News);
}
