import { spawn } from 'node:child_process';
import { Socket } from 'node:net';

/**
 * Waits for the end of its standard input, which the operating system closes when the test process ends, however that happens
 * (SIGKILL included); then it ends what it was asked to watch and removes the directory. Signals to the terminal's process group
 * do not reach it: it has a session of its own.
 */
const SCRIPT = `
trap '' INT TERM HUP
pid=
while read -r line; do pid=$line; done
[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
[ -z "$1" ] || rm -rf -- "$1"
`;

export interface Watchdog {
  /** From now on this process ends with ours; null when it has ended, so that nobody else's process of the same number is hit. */
  watch(pid: number | null): void;
  /** Ends the watched process with SIGKILL if one is left, removes the directory, and resolves when both are done. */
  finish(): Promise<void>;
}

/** Makes sure that a process and its directory do not outlive this process. */
export function startWatchdog(directory = ''): Watchdog {
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'holdfast-watchdog', directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  // A write to a watchdog that somebody ended must not end the tests; what it watched is then up to the handle's own close.
  child.stdin.on('error', () => {});
  child.unref();
  // Node's pipe to a child is a socket, which keeps a process alive; its type says only Writable.
  if (child.stdin instanceof Socket) child.stdin.unref();
  return {
    watch: (pid) => void child.stdin.write(`${pid ?? ''}\n`),
    async finish() {
      child.ref();
      child.stdin.end();
      await ended;
    },
  };
}
