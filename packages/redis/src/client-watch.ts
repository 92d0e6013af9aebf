import type { DriverClient } from './redis-client.js';

interface Watch {
  losses: number;
  users: number;
  readonly onLoss: () => void;
}

// One listener a client, however many backends share it: each beyond ten would be a warning.
const watches = new WeakMap<DriverClient, Watch>();

/**
 * Counts how often a client of the user's has lost a connection. A driver may send a command again on the next one, so an answer
 * proves that there is no second copy only while the count stands still.
 */
export function watchClient(client: DriverClient): { readonly losses: number; close(): void } {
  const event = client.isCluster ? '-node' : 'close';
  let watch = watches.get(client);
  if (watch === undefined) {
    const fresh: Watch = { losses: 0, users: 0, onLoss: () => void (fresh.losses += 1) };
    watch = fresh;
    watches.set(client, fresh);
  }
  const own = watch;
  if (own.users === 0) client.on(event, own.onLoss);
  own.users += 1;
  let isOpen = true;
  return {
    get losses() {
      return own.losses;
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      own.users -= 1;
      if (own.users === 0) client.off(event, own.onLoss);
    },
  };
}
