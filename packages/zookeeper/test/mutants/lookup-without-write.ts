import type { QueueSession } from '../../src/queue-place.js';

/**
 * Breaks "a request whose reply was lost is found": the look at the queue goes out without a write in front of it. A server that lags behind
 * then answers from before the request.
 */
export function breakLookup(session: QueueSession): QueueSession {
  const stat = { czxid: 0n, modifiedAtMs: 0, version: 0, ephemeralOwner: 0n };
  return new Proxy(session, {
    get(target, key) {
      if (key === 'beat') return async () => stat;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
