import { emitWarning } from 'node:process';

const WARNED = Symbol.for('@holdfast/core:warned');
const shared = globalThis as { [WARNED]?: Set<string> };

/**
 * A process warning of type `HoldfastWarning`, once for each code, however many managers meet what it warns of and however many copies of this
 * module are loaded (one for `import`, one for `require`). In a worker thread: once a thread.
 */
export function warnOnce(code: string, message: string): void {
  shared[WARNED] ??= new Set();
  const warned = shared[WARNED];
  if (warned.has(code)) return;
  warned.add(code);
  emitWarning(message, { type: 'HoldfastWarning', code });
}
