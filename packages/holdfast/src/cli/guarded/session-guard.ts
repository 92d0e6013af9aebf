import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Socket } from 'node:net';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CliError } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';
import type { StoreOptions } from '../open-store.js';
import type { WantedOptions } from '../wanted.js';
import type { OrphanGuard } from './orphan-guard.js';

/** What the guard is to know first of all. */
export interface GuardOrder {
  readonly store: StoreOptions;
  /** The second name that it holds. */
  readonly name: string;
  /** What it holds of it: as many of one kind may be at work at a time as of the first name. */
  readonly wanted: WantedOptions;
  readonly graceMs: number;
  /** By which a command is found of whose start nobody could tell. */
  readonly id: string;
}

/** What it says: it has the second name, or why not. */
export type GuardReply =
  | { readonly held: true }
  | { readonly held: false; readonly message: string; readonly exitCode: number; readonly code: string };

const PROGRAM = fileURLToPath(new URL('./session-guard-process.js', import.meta.url));

/**
 * Starts a guard for a store whose locks go with the connection: ours goes when this process is killed, while the command is
 * still to be ended. The guard is a process with a connection of its own, which holds a second name until the command has ended; everybody who
 * runs next has to have both.
 *
 * @param signal ends the wait for the second name
 * @throws CliError when the guard could not be had; nothing may be started then
 */
export async function startSessionGuard(order: Omit<GuardOrder, 'id'>, signal: AbortSignal): Promise<OrphanGuard> {
  const id = randomUUID();
  // A session of its own keeps the terminal's signals away. The environment says which store, as it does to us.
  const child = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  child.on('error', () => {});
  const stdin = child.stdin;
  const say = (message: object): void => void stdin.write(`${JSON.stringify(message)}\n`);
  stdin.on('error', () => {});
  say({ ...order, id } satisfies GuardOrder);
  const letGo = (): void => void stdin.end(`${JSON.stringify({ done: true })}\n`);
  signal.addEventListener('abort', letGo, { once: true });
  try {
    const reply = await replyOf(child);
    signal.throwIfAborted();
    if (!reply.held) throw new CliError(reply.message, reply.exitCode, reply.code);
  } catch (error) {
    letGo();
    throw error;
  } finally {
    signal.removeEventListener('abort', letGo);
  }
  // Node's pipes to a child are sockets, which keep a process alive; their types say only Writable and Readable.
  for (const stream of [stdin, child.stdout]) if (stream instanceof Socket) stream.unref();
  child.unref();
  return { env: { HOLDFAST_RUN: id }, watch: (target) => say({ target }), dismiss: letGo };
}

async function replyOf(child: ChildProcess): Promise<GuardReply> {
  const lines = createInterface({ input: child.stdout ?? process.stdin });
  const ended: Promise<GuardReply> = once(child, 'close').then(() => ({
    held: false,
    message: 'the guard that is to end the command could not be started',
    exitCode: exitCodes.internal,
    code: 'NO_GUARD',
  }));
  try {
    return await Promise.race([once(lines, 'line').then(([line]) => JSON.parse(String(line)) as GuardReply), ended]);
  } finally {
    lines.close();
  }
}
