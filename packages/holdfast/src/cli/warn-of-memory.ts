import type { StoreConfig } from './open-store.js';
import type { Output } from './output.js';

/** A lock in memory ends at the edge of this process, and each `holdfast` is a process of its own. */
export function warnOfMemory({ url }: StoreConfig, output: Output): void {
  if (/^memory:/i.test(url)) output.tell('the store is memory:, so nobody is kept out; name a server to lock others out', 'yellow');
}
