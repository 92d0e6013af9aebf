import type { Clock } from '../contract/clock.js';

/**
 * Waits `delayMs` for an answer, and one turn of the event loop more: when the event loop has stood still, the answer may be
 * there already, behind this timer.
 *
 * @param onOver is notified when the time was noticed to be over: for what fell due since there was no such turn
 */
export function setAnswerDeadline(clock: Clock, delayMs: number, onOver: (noticedAt: number) => void): { cancel(): void } {
  let timer = clock.setTimer(delayMs, () => {
    const noticedAt = clock.now();
    timer = clock.setTimer(0, () => onOver(noticedAt));
  });
  return { cancel: () => timer.cancel() };
}
