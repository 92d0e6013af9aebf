import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from 'holdfast';
import type { News } from './consumer-process.js';
import { type Payment, PaymentStream } from './payment-stream.js';

const USAGE = `Payments in a Redis stream, some announced twice, and three consumers, of which the first hangs and is killed.

  node examples/dist/stream-consumers/main.js redis://localhost:6379

Exits with 0 when each payment was booked once and every balance is right.
`;
const ACCOUNTS = ['Ann', 'Bob', 'Cleo'];
const PATIENCE_MS = 60_000;

/** Thirty payments; every third one is announced again. */
function payments(): readonly Payment[] {
  const all = Array.from({ length: 30 }, (_, index) => ({
    payment: `payment-${index + 1}`,
    account: ACCOUNTS[index % ACCOUNTS.length] ?? '',
    amount: index + 1,
  }));
  return all.flatMap((payment, index) => (index % 3 === 0 ? [payment, payment] : [payment]));
}

async function main(url: string): Promise<boolean> {
  // Fails here, in one line, when the server cannot be reached.
  await (await connect(url)).close();
  const run = `holdfast-payments:${randomBytes(6).toString('hex')}`;
  const stream = new PaymentStream(url, run);
  const messages = payments();
  await stream.create();
  for (const payment of messages) await stream.announce(payment);

  const booked = new Map<string, number>();
  let known = 0;
  let killed: string | undefined;
  const consumers: ChildProcess[] = [];
  const start = (name: string, hangsAt: number): void => {
    const consumer = fork(fileURLToPath(new URL('./consumer-process.js', import.meta.url)));
    consumers.push(consumer);
    consumer.send({ name, url, run, hangsAt });
    consumer.on('message', ({ payment, what }: News) => {
      console.log(`${name}  ${what.padEnd(6)}  ${payment}`);
      if (what === 'booked') booked.set(payment, (booked.get(payment) ?? 0) + 1);
      if (what === 'knew') known += 1;
      if (what !== 'hangs') return;
      killed = payment;
      consumer.kill('SIGKILL');
      console.log(`${name}  KILLED  at ${payment}, whose balance it has read and not written`);
      start('consumer-2', 0);
      start('consumer-3', 0);
    });
  };
  start('consumer-1', 3);

  try {
    const end = Date.now() + PATIENCE_MS;
    while (Date.now() < end && (await stream.open(messages.length)) > 0) await sleep(50);
    return await isRight(stream, { booked, known, killed });
  } finally {
    for (const consumer of consumers) consumer.kill();
    await stream.drop();
    stream.close();
  }
}

interface Seen {
  readonly booked: ReadonlyMap<string, number>;
  readonly known: number;
  readonly killed: string | undefined;
}

async function isRight(stream: PaymentStream, { booked, known, killed }: Seen): Promise<boolean> {
  const expected = new Map<string, number>();
  for (const { payment, account, amount } of new Map(payments().map((each) => [each.payment, each])).values()) {
    expected.set(account, (expected.get(account) ?? 0) + amount);
    if ((booked.get(payment) ?? 0) > 1) console.log(`${payment} was booked ${booked.get(payment)} TIMES`);
  }
  console.log('');
  let right = killed !== undefined;
  for (const [account, balance] of expected) {
    const found = await stream.balance(account);
    console.log(`${account.padEnd(4)}  ${found}${found === balance ? '' : `, and it should be ${balance}`}`);
    right &&= found === balance;
  }
  console.log(
    right ? `\nEach payment was booked once, ${killed} by another consumer; ${known} messages reported nothing new.` : '\nWRONG.',
  );
  return right;
}

const url = process.argv[2] ?? process.env['HOLDFAST_URL'];
if (url === undefined || url.startsWith('-')) {
  process.stdout.write(USAGE);
  process.exitCode = url === undefined ? 2 : 0;
} else {
  try {
    process.exitCode = (await main(url)) ? 0 : 1;
  } catch (error) {
    console.error(`stream-consumers: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
