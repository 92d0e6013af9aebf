import type { LockBackend } from '@holdfast/core';
import { afterAll, afterEach, beforeAll } from 'vitest';

/** What differs between stores. */
export interface StoreParts<S, A, O> {
  start(): Promise<S>;
  /** For what operators and other programs do. */
  connect(server: S): A | Promise<A>;
  disconnect(admin: A): unknown;
  open(server: S, options: O): LockBackend<bigint>;
  /** Called when the backends of a test have ended. */
  clear?(admin: A): Promise<void>;
}

/** One store for a test file, and backends on it that end with their test. */
export interface StoreFixture<S, A, O> {
  readonly server: S;
  readonly admin: A;
  backend(options?: O): LockBackend<bigint>;
}

/** To be called in the file, or in a group of its tests. */
export function useStore<S extends { close(): Promise<void> }, A, O extends object>(parts: StoreParts<S, A, O>): StoreFixture<S, A, O> {
  let server: S | undefined;
  let admin: A | undefined;
  const backends: LockBackend<bigint>[] = [];
  beforeAll(async () => {
    server = await parts.start();
    admin = await parts.connect(server);
  });
  afterEach(async () => {
    await Promise.all(backends.splice(0).map((backend) => backend.close()));
    if (admin !== undefined) await parts.clear?.(admin);
  });
  afterAll(async () => {
    if (admin !== undefined) await parts.disconnect(admin);
    await server?.close();
  });
  const must = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('not started');
    return value;
  };
  return {
    get server() {
      return must(server);
    },
    get admin() {
      return must(admin);
    },
    backend(options) {
      // Of each store all options can be left out.
      const backend = parts.open(must(server), options ?? ({} as O));
      backends.push(backend);
      return backend;
    },
  };
}
