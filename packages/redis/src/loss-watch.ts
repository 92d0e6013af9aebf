interface Emitter {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

interface Watch {
  readonly listeners: Set<() => void>;
  stop: () => void;
}

// One listener a client, however many backends share it: each beyond ten would be a warning.
const watches = new WeakMap<object, Watch>();

/**
 * Tells each time that a client of the user's has lost a connection. A driver may send a command again on the next one, so an answer
 * proves that there is no second copy only while none is lost.
 *
 * @param begin listens to the client, and returns what stops that
 * @returns what stops telling this listener
 */
export function watchLosses(client: object, begin: (onLoss: () => void) => () => void, listener: () => void): () => void {
  let watch = watches.get(client);
  if (watch === undefined) {
    const listeners = new Set<() => void>();
    watch = {
      listeners,
      stop: begin(() => {
        for (const each of listeners) each();
      }),
    };
    watches.set(client, watch);
  }
  const { listeners, stop } = watch;
  // Of its own, so that one function that listens twice counts twice.
  const own = (): void => listener();
  listeners.add(own);
  return () => {
    if (!listeners.delete(own) || listeners.size > 0) return;
    stop();
    watches.delete(client);
  };
}

/** As `watchLosses`, of a client that reports losses by these events. */
export function watchEvents(client: Emitter, events: readonly string[], listener: () => void): () => void {
  const begin = (onLoss: () => void): (() => void) => {
    for (const event of events) client.on(event, onLoss);
    return () => {
      for (const event of events) client.off(event, onLoss);
    };
  };
  return watchLosses(client, begin, listener);
}
