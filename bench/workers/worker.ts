import process from 'node:process';
import { libraryFor } from '../libraries/index.js';
import type { BenchClient } from '../library.js';
import type { Register } from '../store.js';
import { openRegister } from '../stores/index.js';
import { type JobContext, jobs } from './jobs.js';
import type { JobName, Opening, Order, Report } from './protocol.js';

// A worker process: holds one client for each library that it is asked to open, and does jobs with it.

interface Opened {
  readonly client: BenchClient;
  readonly register: Register;
}

const opened = new Map<string, Opened>();
const pokes = new Map<number, () => void>();

process.on('message', (order: Order) => {
  if (order.type === 'poke') pokes.get(order.id)?.();
  else void answer(order);
});
// The benchmark has ended, in whatever way; nothing of it may go on.
process.on('disconnect', () => process.exit(0));

async function answer(order: Exclude<Order, { type: 'poke' }>): Promise<void> {
  try {
    const value = order.type === 'open' ? await open(order.opening) : await run(order.id, order.library, order.job, order.input);
    send({ type: 'done', id: order.id, value });
  } catch (error) {
    send({ type: 'failed', id: order.id, message: error instanceof Error ? error.message : String(error) });
  }
}

async function open({ scenario, library, backend, address, options }: Opening): Promise<null> {
  const [client, register] = await Promise.all([
    libraryFor(backend, scenario, library).open(address, options),
    openRegister(backend, address),
  ]);
  opened.set(library, { client, register });
  return null;
}

async function run<J extends JobName>(id: number, library: string, name: J, input: unknown): Promise<unknown> {
  const known = opened.get(library);
  if (known === undefined) throw new Error(`${library} was not opened in this worker`);
  const poked = new Promise<void>((resolve) => pokes.set(id, resolve));
  const context: JobContext<J> = { ...known, poked, report: (value) => send({ type: 'event', id, value }) };
  try {
    // The table's type ties each input to its job; what came over the wire is what our own side sent.
    const job = jobs[name] as (input: unknown, context: JobContext<J>) => Promise<unknown>;
    return await job(input, context);
  } finally {
    pokes.delete(id);
  }
}

function send(report: Report): void {
  if (process.connected) process.send?.(report);
}
