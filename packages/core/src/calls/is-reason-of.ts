/**
 * Whether a caller's own signal has ended the call. Its reason is whatever the caller likes, also an error of ours: a wait under the signal of
 * another lease ends with that lease's loss, which says nothing of the wait itself.
 */
export function isReasonOf(signal: AbortSignal | undefined, error: unknown): boolean {
  return signal?.aborted === true && Object.is(signal.reason, error);
}
