import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { connect, redactUrl } from 'holdfast';
import { runDemo } from './demo.js';
import { createMemoryLedger, type Ledger } from './ledger.js';
import { createPrinter } from './printer.js';
import { createTeller, type Teller, tellerInOwnProcess } from './teller.js';

const USAGE = `Two tellers, one bank account: first without a lock, then with one.

  pnpm demo                        everything in this process (memory:)
  pnpm demo redis://host:port      accounts and locks on a Redis server, each teller
                                   a process of its own; rediss:// for TLS
  pnpm demo --help                 this text

Exits with 0 when every balance was right, 1 when one was wrong or the server was
not reached, 2 when the arguments are wrong. NO_COLOR=1 turns colours off.`;

async function main(args: readonly string[]): Promise<number> {
  // `pnpm demo -- redis://...` hands the dashes on.
  const [url = 'memory:', ...others] = args[0] === '--' ? args.slice(1) : args;
  if (url === '--help' || url === '-h') {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const isRedis = /^rediss?:\/\//i.test(url);
  if (others.length > 0 || (!isRedis && url !== 'memory:')) {
    const reason = others.length > 0 ? 'one argument at most' : 'the argument must be memory: or begin with redis:// or rediss://';
    process.stderr.write(`demo: ${reason}\n\n${USAGE}\n`);
    return 2;
  }
  return await demo(url, isRedis);
}

async function demo(url: string, isRedis: boolean): Promise<number> {
  const run = `holdfast-demo:${randomBytes(6).toString('hex')}`;
  // Fails here, in one line, when the server cannot be reached.
  const locks = await connect(isRedis ? url : `memory:${run}`, { require: ['fencing'] });
  await locks.close();

  const { ledger, teller } = await openBank(url, isRedis, run);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void ledger.close().finally(() => process.exit(1)));
  try {
    const printer = createPrinter();
    printer.text(
      '',
      'A bank account holds A = 1000, another one B = 0. At the same moment',
      'Ann pays out 200 from A, and Bob transfers 300 from A to B.',
      'Each reads the balance, thinks, and writes the new one.',
      'When both are done there must be A = 500 and B = 300.',
      '',
      isRedis
        ? `Accounts and locks are on ${redactUrl(url)}; each teller is a process of its own.`
        : 'All in this process (memory:). Try also: pnpm demo redis://localhost:6379',
    );
    const isRight = await runDemo({ ledger, teller, run, printer, url: isRedis ? url : `memory:${run}` });
    printer.text('', 'How the tellers do it: examples/bank/job.ts. How you would: packages/holdfast/README.md', '');
    return isRight ? 0 : 1;
  } finally {
    await ledger.close();
  }
}

async function openBank(url: string, isRedis: boolean, run: string): Promise<{ readonly ledger: Ledger; readonly teller: Teller }> {
  if (isRedis) {
    const { createRedisLedger } = await import('./redis-ledger.js');
    return { ledger: createRedisLedger(url, run), teller: tellerInOwnProcess };
  }
  const ledger = createMemoryLedger();
  return { ledger, teller: createTeller(ledger) };
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    // Not the exit code alone: tellers that wait for one that failed would keep the process.
    process.exit(1);
  },
);
