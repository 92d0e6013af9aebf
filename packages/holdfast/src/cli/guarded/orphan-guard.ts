import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import process from 'node:process';

/**
 * Reads the number of a process (or, negative, of a group) from its standard input. The operating system closes that
 * when our process ends, however it ends; if a number is set then, the command has lost who renews its lock, and is ended.
 * A session of its own keeps signals of the terminal away.
 */
const SCRIPT = `
trap '' INT TERM HUP QUIT
target=
while read -r line; do target=$line; done
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
  watch(target: number): void;
  /** The command has ended. */
  dismiss(): void;
}

/** Starts a guard; where there is no /bin/sh there is none, and nothing else changes. */
export function startOrphanGuard(graceMs: number): OrphanGuard {
  if (process.platform === 'win32') return { watch() {}, dismiss() {} };
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'holdfast-guard', String(Math.ceil(graceMs / 1000))], {
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
    watch: (target) => void child.stdin.write(`${target}\n`),
    dismiss: () => void child.stdin.end('\n'),
  };
}
