import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until `condition` answers true, asking again every few milliseconds; what it throws counts as "not yet".
 *
 * @throws Error that says what was waited for, with the last failure as its cause, when `timeoutMs` passed.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { timeoutMs = 10_000, everyMs = 10 }: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<void> {
  const end = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      if (await condition()) return;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= end) throw new Error(`gave up after ${timeoutMs} ms: ${what}`, { cause });
    await sleep(everyMs);
  }
}
