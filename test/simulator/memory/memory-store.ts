import type { LockBackend } from '@holdfast/core';
import type { SimulatedClient } from '../client.js';
import type { SimulatedStore } from '../store.js';
import { MemoryLink } from './memory-link.js';
import { MemoryServer } from './memory-server.js';

/** The server and the ways to it. */
export class MemoryStore extends MemoryServer implements SimulatedStore {
  connect(client: SimulatedClient): LockBackend<bigint> {
    this.joined(client);
    return new MemoryLink(this, client);
  }
}
