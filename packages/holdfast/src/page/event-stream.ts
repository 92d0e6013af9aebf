import type { Clock } from '@holdfast/core';

/** A client that has read nothing for so long has gone, whatever its connection says. */
export const STALLED_MS = 60_000;

/** What a stream needs of its feeder. */
export interface EventSourceParts {
  /** The present state, as text of one line. Asked when it can be sent, so that a slow reader gets what is so then. */
  readonly message: () => string;
  /** Calls `onNews` whenever the state has changed, until the function that is returned is called. */
  readonly listen: (onNews: () => void) => () => void;
  /** The stream has ended, from whichever side. */
  readonly onEnd: () => void;
  readonly clock: Clock;
}

/**
 * Server-sent events for one client. At most one message waits for the client to read: what comes meanwhile takes its place, so that one that never
 * reads costs one message of memory.
 */
export function eventStream({ message, listen, onEnd, clock }: EventSourceParts): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let hasNews = false;
  let readAt = clock.now();
  let unlisten = (): void => {};
  let isOver = false;
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    unlisten();
    onEnd();
  };
  const send = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    hasNews = false;
    controller.enqueue(encoder.encode(`data: ${message()}\n\n`));
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        // At once, so that headers and the first bytes leave before the first look.
        controller.enqueue(encoder.encode('retry: 2000\n\n'));
        unlisten = listen(() => {
          hasNews = true;
          if ((controller.desiredSize ?? 0) > 0) send(controller);
          else if (clock.now() - readAt > STALLED_MS) {
            end();
            controller.error(new Error('the client does not read'));
          }
        });
      },
      pull(controller) {
        readAt = clock.now();
        if (hasNews) send(controller);
      },
      cancel: end,
    },
    { highWaterMark: 1 },
  );
}
