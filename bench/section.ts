import { setImmediate } from 'node:timers/promises';
import type { Register } from './store.js';

/** A shared counter in this process, written back a turn of the event loop after it was read. */
export class LocalRegister {
  value = 0;

  /** One critical section: two at once lose an update. */
  async add(): Promise<void> {
    const seen = this.value;
    await setImmediate();
    this.value = seen + 1;
  }
}

/** The same over the store, for several processes. */
export async function addOver(register: Register, name: string): Promise<void> {
  const seen = await register.read(name);
  await register.write(name, seen + 1);
}

/** What to report when the counter does not say what was done; null when it does. */
export function lostUpdates(counted: number, sections: number): string | null {
  return counted === sections ? null : `the shared counter says ${counted} after ${sections} critical sections: two holders at once`;
}
