// The clock is wrong before anything else is loaded.
import './shift-date.js';
import process from 'node:process';
import type { Lease, LockManager, ManagerOptions } from '../../index.js';
import type { ClientAnswer, ClientRequest } from './client-messages.js';

let manager: LockManager | undefined;
const leases: Lease[] = [];

process.on('message', (request: ClientRequest) => {
  answer(request).then(
    (value) => say({ id: request.id, value }),
    (error: unknown) => say({ id: request.id, error: error instanceof Error ? error.message : String(error) }),
  );
});
process.once('disconnect', () => {
  if (!isLeaving) process.exit();
});
let isLeaving = false;

function say(message: ClientAnswer): void {
  process.send?.(message);
}

async function answer(request: ClientRequest): Promise<number | boolean | null> {
  switch (request.ask) {
    case 'open': {
      const module = (await import(request.module)) as {
        openClient(data: unknown, options: ManagerOptions): Promise<LockManager> | LockManager;
      };
      manager = await module.openClient(request.data, request.options);
      return true;
    }
    case 'acquire':
      return number(await opened().acquire(request.name, request.options));
    case 'tryAcquire':
      return number(await opened().tryAcquire(request.name, request.options));
    case 'isHeld':
      return leaseOf(request.lease).isHeld;
    case 'release':
      return await leaseOf(request.lease).release();
    case 'leave':
      isLeaving = true;
      // Behind the answer.
      setImmediate(() => process.disconnect());
      return true;
    default:
      return request satisfies never;
  }
}

function opened(): LockManager {
  if (manager === undefined) throw new Error('not opened yet');
  return manager;
}

function number(lease: Lease | null): number | null {
  return lease === null ? null : leases.push(lease) - 1;
}

function leaseOf(index: number): Lease {
  const lease = leases[index];
  if (lease === undefined) throw new Error(`there is no lease ${index}`);
  return lease;
}
