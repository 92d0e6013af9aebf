import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import process from 'node:process';

/**
 * Reads the number of a process (or, negative, of a group) from its standard input, and an empty line when there is nothing
 * to guard any more. The operating system closes that input when our process ends, however it ends: a command that is
 * there then has lost who renews its lock, and is ended. If it had been started and its number not been handed over yet, it is
 * looked for by what its environment has (on Linux). A session of its own keeps the terminal's signals away from the guard.
 *
 * $1 seconds from SIGTERM to SIGKILL   $2 the run's id
 */
const SCRIPT = `
trap '' INT TERM HUP QUIT
target=unknown
while read -r line; do target=$line; done
looks=3
while [ "$target" = unknown ]; do
  for file in /proc/[0-9]*/environ; do
    grep -qs "HOLDFAST_RUN=$2" "$file" || continue
    pid=\${file#/proc/}
    target=\${pid%/environ}
    if kill -s 0 -- "-$target"; then target=-$target; break; fi
  done
  looks=$((looks - 1))
  [ "$looks" -gt 0 ] || [ "$target" != unknown ] || exit 0
  [ "$target" != unknown ] || sleep 1
done
[ -n "$target" ] || exit 0
kill -s TERM -- "$target" || exit 0
kill -s CONT -- "$target"
left=$1
while [ "$left" -gt 0 ] && kill -s 0 -- "$target"; do
  sleep 1
  left=$((left - 1))
done
kill -s KILL -- "$target"
`;

/** Ends the command when this process is killed: SIGKILL cannot be caught, and Node has no way to ask the kernel for it. */
export interface OrphanGuard {
  /** What the command must have in its environment. */
  readonly env: Readonly<Record<string, string>>;
  watch(target: number): void;
  /** The command has ended. */
  dismiss(): void;
}

/** Starts a guard; where there is no /bin/sh there is none, and nothing else changes. */
export function startOrphanGuard(graceMs: number): OrphanGuard {
  if (process.platform === 'win32') return { env: {}, watch() {}, dismiss() {} };
  const id = randomUUID();
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'holdfast-guard', String(Math.ceil(graceMs / 1000)), id], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    // Nothing of ours: the environment may hold a password.
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
  });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.unref();
  // Node's pipe to a child is a socket, which keeps a process alive; its type says only Writable.
  if (child.stdin instanceof Socket) child.stdin.unref();
  return {
    env: { HOLDFAST_RUN: id },
    watch: (target) => void child.stdin.write(`${target}\n`),
    dismiss: () => void child.stdin.end('\n'),
  };
}
