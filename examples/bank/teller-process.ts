import process from 'node:process';
import { type Desk, type Job, runJob } from './job.js';
import { createRedisLedger } from './redis-ledger.js';
import type { Failure, Message, Request } from './teller.js';

// One teller's process: gets a job, does it, ends. If the bank goes, so does the teller.
process.on('disconnect', () => process.exit(1));

const answers = new Map<number, () => void>();
let lastId = 0;

/** Resolves when the bank has done it, so that lines of several processes appear in the order in which things happened. */
function ask(call: Request['call'], text = ''): Promise<void> {
  const id = ++lastId;
  return new Promise((resolve) => {
    answers.set(id, resolve);
    process.send?.({ id, call, text } satisfies Request);
  });
}

const desk: Desk = { ready: () => ask('ready'), say: (text) => ask('say', text), think: () => ask('think') };

process.on('message', (message: Message) => {
  if ('answerTo' in message) answers.get(message.answerTo)?.();
  else void work(message.job);
});

async function work(job: Job): Promise<void> {
  const ledger = createRedisLedger(job.url, job.run);
  try {
    await runJob(job, desk, ledger);
    process.exit(0);
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    process.send?.({ failure } satisfies Failure, () => process.exit(1));
  }
}
