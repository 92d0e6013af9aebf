import { clearInterval, setInterval } from 'node:timers';
import { outsideOfContexts } from './outside-of-contexts.js';

// Captured at load, as core's clock does.
const start = setInterval;
const stop = clearInterval;

/** Keeps the process while a call is pending that for a time has nothing but unref'd timers. */
export async function keepingAlive<T>(call: () => Promise<T>): Promise<T> {
  const handle = outsideOfContexts(() => start(() => {}, 2 ** 31 - 1));
  try {
    return await call();
  } finally {
    stop(handle);
  }
}
