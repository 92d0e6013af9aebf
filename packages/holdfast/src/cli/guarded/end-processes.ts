import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** How often to look whether the last process of a group is gone; the system does not tell. */
const LOOK_EVERY_MS = 25;
/** A process that the kernel holds up outlives even SIGKILL for a while. */
const KILL_TIMEOUT_MS = 5_000;

/** Ends processes: SIGTERM, and SIGKILL to what still runs after `graceMs`. */
export async function endProcesses(signal: (signal: NodeJS.Signals) => unknown, isAlive: () => boolean, graceMs: number): Promise<void> {
  signal('SIGTERM');
  // A stopped process takes its SIGTERM only when it goes on.
  signal('SIGCONT');
  if (await isGoneWithin(graceMs, isAlive)) return;
  signal('SIGKILL');
  await isGoneWithin(KILL_TIMEOUT_MS, isAlive);
}

async function isGoneWithin(ms: number, isAlive: () => boolean): Promise<boolean> {
  const end = performance.now() + ms;
  while (isAlive()) {
    if (performance.now() >= end) return false;
    await sleep(LOOK_EVERY_MS);
  }
  return true;
}

/**
 * @param target what kill(2) takes: a process, or (negative) a group
 * @returns whether there is somebody; also when we may not signal them, as with a command run by sudo
 */
export function signalTo(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(target, signal);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
