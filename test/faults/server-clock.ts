import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { blow, type Fault } from './fault.js';

/** In the sources, also for what was compiled from them. */
const SOURCE = fileURLToPath(new URL(import.meta.url.includes('/dist/') ? '../../faults/clock-shim.c' : './clock-shim.c', import.meta.url));

/** The wall clock of a server that is started with this environment. */
export interface ServerClock {
  readonly environment: Readonly<Record<string, string>>;
  /** By how much it is ahead of the machine's from now on, in milliseconds. */
  set(aheadMs: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Compiles the shim. Debian's libfaketime keeps redis-server from starting, so the shim is our own.
 *
 * @throws Error when there is no C compiler
 */
export async function compileServerClock(): Promise<ServerClock> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-clock-'));
  const [library, file] = [join(directory, 'clock-shim.so'), join(directory, 'ahead')];
  const set = async (aheadMs: number): Promise<void> => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(Math.round(aheadMs * 1e6)));
    // In place: the server has the file in its memory.
    await writeFile(file, bytes, { flag: 'r+' });
  };
  const close = (): Promise<void> => rm(directory, { recursive: true });
  try {
    // A server that refuses to run as root reads both as another user.
    await chmod(directory, 0o755);
    await writeFile(file, Buffer.alloc(8));
    await promisify(execFile)('cc', ['-shared', '-fPIC', '-O1', '-o', library, SOURCE]);
  } catch (cause) {
    await close();
    throw new Error('the clock of a server is set by a shim that needs a C compiler: apt-get install gcc libc6-dev', { cause });
  }
  return { environment: { LD_PRELOAD: library, HOLDFAST_CLOCK_FILE: file }, set, close };
}

/** What the clock may be off by, beside what was set, when it is read from afar. */
const READ_MS = 3_000;

/**
 * The clock set forward, and back by less and by more than the margin that stores with a time to live have.
 *
 * @param timeOf reads the server's clock, in milliseconds: a shim that the server does not use makes no fault
 */
export function clockFaults(clock: ServerClock, timeOf: () => Promise<number>): Fault[] {
  let aheadMs = 0;
  const set = (title: string, byMs: number, forgets: boolean): Fault =>
    blow(title, forgets, async () => {
      aheadMs += byMs;
      await clock.set(aheadMs);
      const seenMs = (await timeOf()) - Date.now();
      if (Math.abs(seenMs - aheadMs) > READ_MS)
        throw new Error(`the server's clock is ${seenMs} ms ahead, not ${aheadMs} ms: it has no shim`);
    });
  return [
    set("server's clock set forward by 10 s", 10_000, true),
    set("server's clock set back by 0.5 s", -500, false),
    set("server's clock set back by 10 s", -10_000, true),
  ];
}
