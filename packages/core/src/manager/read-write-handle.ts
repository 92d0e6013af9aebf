import type { FencingToken } from '../contract/lease.js';
import type { Lock, ReadWriteLock } from '../contract/manager.js';
import type { LockState } from '../contract/state.js';
import { LockHandle } from './lock-handle.js';
import type { ManagerCore } from './manager-core.js';

/** One read/write lock of one manager. */
export class ReadWriteHandle<F extends FencingToken> implements ReadWriteLock<F> {
  readonly name: string;
  readonly read: Lock<F>;
  readonly write: Lock<F>;
  readonly #core: ManagerCore<F>;

  constructor(core: ManagerCore<F>, name: string) {
    this.name = name;
    this.#core = core;
    const target = { kind: 'read-write', limit: 1 } as const;
    this.read = new LockHandle(core, name, { ...target, mode: 'read' });
    this.write = new LockHandle(core, name, { ...target, mode: 'write' });
  }

  async inspect(): Promise<LockState> {
    return await this.#core.inspect(this.name, 'read-write');
  }

  async forceRelease(): Promise<boolean> {
    return await this.#core.forceRelease(this.name, 'read-write');
  }
}
