import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { failureOf } from '../cli-error.js';
import { resolveStore, withManager } from '../open-store.js';
import { Output } from '../output.js';
import { takeable } from '../wanted.js';
import { endProcesses, signalTo } from './end-processes.js';
import type { GuardOrder, GuardReply } from './session-guard.js';

// The guard of one command, see session-guard.ts. Its standard input ends when the process that it guards for has ended, however that was:
// unless that said that it was done, the command has lost who holds its lock, and is ended.

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {});

const input = createInterface({ input: process.stdin });
const messages = input[Symbol.asyncIterator]();
const first = await messages.next();
if (first.done !== true) await guard(JSON.parse(first.value) as GuardOrder);
process.exit(0);

async function guard({ store, name, wanted, graceMs, id }: GuardOrder): Promise<void> {
  const output = new Output();
  const end = new AbortController();
  let target: number | null = null;
  let isDone = false;
  const ended = (async () => {
    for (let message = await messages.next(); message.done !== true; message = await messages.next()) {
      const told = JSON.parse(message.value) as { readonly target?: number; readonly done?: boolean };
      target = told.target ?? target;
      isDone ||= told.done === true;
      if (isDone) break;
    }
    end.abort();
  })();
  try {
    const config = await resolveStore(store, output);
    // It may outlive what it was started from.
    process.chdir('/');
    await withManager(config, async (manager) => {
      const lease = await takeable(manager, name, wanted).acquire({
        signal: end.signal,
        label: `the guard of ${process.ppid}`,
        waitMs: Number.POSITIVE_INFINITY,
      });
      say({ held: true });
      await ended;
      if (!isDone) await endCommand(target ?? (await find(id)), graceMs);
      await lease.release().catch(() => {});
    });
  } catch (error) {
    if (end.signal.aborted) return;
    const { message, exitCode, code } = failureOf(error);
    say({ held: false, message: output.scrub(message), exitCode, code });
  }
}

function say(reply: GuardReply): void {
  process.stdout.on('error', () => {});
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

async function endCommand(target: number | null, graceMs: number): Promise<void> {
  if (target === null) return;
  await endProcesses(
    (signal) => signalTo(target, signal),
    () => signalTo(target, 0),
    graceMs,
  );
}

/** A command that had been started when nobody could tell its number any more, by what its environment has (on Linux). */
async function find(id: string): Promise<number | null> {
  for (let looks = 0; looks < 3; looks += 1) {
    for (const process of numbersOfProcesses()) {
      if (!environmentOf(process).includes(`HOLDFAST_RUN=${id}`)) continue;
      return signalTo(-process, 0) ? -process : process;
    }
    await sleep(1_000);
  }
  return null;
}

function numbersOfProcesses(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .map(Number);
  } catch {
    return [];
  }
}

function environmentOf(process: number): string {
  try {
    return readFileSync(`/proc/${process}/environ`, 'utf8');
  } catch {
    return '';
  }
}
