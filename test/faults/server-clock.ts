import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

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
    await writeFile(file, Buffer.alloc(8));
    await promisify(execFile)('cc', ['-shared', '-fPIC', '-O1', '-o', library, SOURCE]);
  } catch (cause) {
    await close();
    throw new Error('the clock of a server is set by a shim that needs a C compiler: apt-get install gcc libc6-dev', { cause });
  }
  return { environment: { LD_PRELOAD: library, HOLDFAST_CLOCK_FILE: file }, set, close };
}
