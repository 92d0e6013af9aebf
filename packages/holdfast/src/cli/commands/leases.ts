import { isLockError, type LeaseTicket, LockUnsupportedError } from '@holdfast/core';
import { usageError } from '../cli-error.js';
import { showDuration } from '../duration.js';
import { exitCodes } from '../exit-codes.js';
import { leaseText, readLease } from '../lease-text.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { quoted } from '../printable.js';
import { takeable } from '../wanted.js';
import { type BusyOptions, unlessBusy } from './busy.js';
import { type CommandOptions, withCommandSession } from './command-session.js';

export interface AcquireOptions extends Pick<CommandOptions, 'ttl' | 'label' | 'verbose' | 'url' | 'config'>, BusyOptions {
  readonly json?: boolean;
}

export interface LeaseCommandOptions extends StoreOptions {
  /** In ms. */
  readonly ttl?: number;
  readonly json?: boolean;
}

/** `holdfast acquire`: takes a lock for the steps that follow, and prints the lease. Answers the exit code. */
export function acquire(name: string, options: AcquireOptions, output: Output): Promise<number> {
  return unlessBusy(name, options, output, () =>
    withCommandSession([], { ...options, grace: 0 }, output, async ({ manager, lease: leaseOptions }) => {
      const { backend, capabilities } = manager;
      if (capabilities.expiry === 'session' || backend === 'memory') {
        throw new LockUnsupportedError(
          `a lock of the ${backend} backend ends with the command that took it; use holdfast run, or holdfast hold in the background`,
          { backend, capability: 'expiry', lockName: name },
        );
      }
      const lease = await takeable(manager, name, options).acquire({ ...leaseOptions, waitMs: options.wait });
      const ticket = await manager.detach(lease);
      if (options.json) output.printJson({ ...shown(ticket), mode: ticket.mode, permits: ticket.permits, lease: leaseText(ticket) });
      else output.print(leaseText(ticket));
      return exitCodes.ok;
    }),
  );
}

/** `holdfast renew`: keeps what `acquire` took. Answers the exit code: 79 when it is lost. */
export async function renew(lease: string | undefined, options: LeaseCommandOptions, output: Output): Promise<number> {
  const ticket = readLease(lease);
  const { ttl: ttlMs = ticket.ttlMs } = options;
  return await whileHeld(ticket, output, async () => {
    const config = await resolveStore(options, output);
    await withManager(config, async (manager) => manager.detach(await manager.adopt(ticket, { ttlMs, renew: false })));
    if (options.json) output.printJson(shown({ ...ticket, ttlMs }));
    return exitCodes.ok;
  });
}

/** `holdfast free`: gives back what `acquire` took. Answers the exit code: 79 when it had been lost. */
export async function free(lease: string | undefined, options: LeaseCommandOptions, output: Output): Promise<number> {
  const ticket = readLease(lease);
  return await whileHeld(ticket, output, async () => {
    const config = await resolveStore(options, output);
    const freed = await withManager(config, async (manager) => (await manager.adopt(ticket, { renew: false })).release());
    if (!freed) return tellLost(ticket, output);
    if (options.json) output.printJson({ name: ticket.name, kind: ticket.kind, freed });
    return exitCodes.ok;
  });
}

async function whileHeld(ticket: LeaseTicket, output: Output, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (isLockError(error, 'LOCK_LOST')) return tellLost(ticket, output);
    // Its parts come from a word that somebody has changed.
    if (isLockError(error, 'LOCK_INVALID_ARGUMENT') && error.message.startsWith('adopt: ')) {
      throw usageError(`this is no lease that holdfast acquire has printed (${error.option})`);
    }
    throw error;
  }
}

function tellLost({ name, ttlMs }: LeaseTicket, output: Output): number {
  output.tell(
    `the lock ${quoted(name)} is lost: it was not renewed for ${showDuration(ttlMs)}, was freed, or was taken away; others may have had it since`,
    'red',
  );
  return exitCodes.lost;
}

function shown({ name, kind, fencingToken, ttlMs }: LeaseTicket): object {
  return { name, kind, fencingToken, ttlMs };
}
