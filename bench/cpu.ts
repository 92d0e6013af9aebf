import { readdir, readFile } from 'node:fs/promises';

/**
 * The CPU time that processes of this machine and all below them have used so far, as the kernel counts it for their scheduling.
 *
 * @returns milliseconds; null where it cannot be read: no process is known, or the system is not Linux
 */
export async function cpuTimeOf(pids: readonly number[]): Promise<number | null> {
  if (pids.length === 0) return null;
  const times = await Promise.all(pids.map(timeOfTree));
  return times.reduce((total, time) => (total === null || time === null ? null : total + time), 0);
}

async function timeOfTree(pid: number): Promise<number | null> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => null);
  if (threads === null) return null;
  const times = await Promise.all(
    threads.map(async (thread) => {
      const folder = `/proc/${pid}/task/${thread}`;
      const [scheduled, children] = await Promise.all([contentOf(`${folder}/schedstat`), contentOf(`${folder}/children`)]);
      const below = await Promise.all(children.split(' ').filter(Boolean).map(Number).map(timeOfTree));
      return nanosecondsIn(scheduled) / 1e6 + below.reduce((total: number, time) => total + (time ?? 0), 0);
    }),
  );
  return times.reduce((total, time) => total + time, endedIn(await contentOf(`/proc/${pid}/stat`)));
}

/** The unit in which Linux reports them, whatever its own is. */
const tickMs = 10;

/** What the processes below it had used that have ended by now, as those of PostgreSQL do with their connections. */
function endedIn(stat: string): number {
  // The name in parentheses may have spaces; the times of ended children are the 14th and 15th field behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) * tickMs;
}

function contentOf(file: string): Promise<string> {
  return readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
}

/** The first of three numbers; those of a thread that has just ended are gone. */
function nanosecondsIn(scheduled: string): number {
  return Number(scheduled.split(' ')[0] ?? 0);
}

/** What a piece of work cost, on both sides. */
export interface CpuUse {
  readonly clientMs: number;
  /** null where the server is not a process of this machine. */
  readonly serverMs: number | null;
}

/** Runs `work`, and says how much CPU time this process and those of the server used meanwhile. */
export async function countCpu<T>(serverPids: readonly number[], work: () => Promise<T>): Promise<readonly [T, CpuUse]> {
  const serverBefore = await cpuTimeOf(serverPids);
  const clientBefore = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(clientBefore);
  const serverAfter = await cpuTimeOf(serverPids);
  const serverMs = serverBefore === null || serverAfter === null ? null : serverAfter - serverBefore;
  return [result, { clientMs: (user + system) / 1_000, serverMs }];
}
