import { randomBytes } from 'node:crypto';
import { type Answer, type CallContext, type HoldRequest, type LockBackend, type LockKind, systemClock } from '@holdfast/core';
import { createRedisBackend, type RedisBackendOptions } from '@holdfast/redis';
import { type RedisServer, startRedis, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll } from 'vitest';

export type Granted = Extract<Answer<bigint>, { granted: true }>;

/** A call as core makes it. */
export function callOf(timeoutMs = 2000, signal: AbortSignal = new AbortController().signal): CallContext {
  return { timeoutMs, signal, clock: systemClock };
}

export function newName(): string {
  return `name-${randomBytes(6).toString('hex')}`;
}

type Extra = Partial<Pick<HoldRequest, 'ttlMs' | 'label' | 'owner'>>;

export function requestOf(name: string, mode: 'exclusive' | 'read' | 'write' = 'exclusive', extra: Extra = {}): HoldRequest {
  return { name, owner: randomBytes(16).toString('hex'), label: 'test:1', ttlMs: 10_000, mode, ...extra };
}

export function permitsOf(name: string, permits: number, limit: number, extra: Extra = {}): HoldRequest {
  return { name, owner: randomBytes(16).toString('hex'), label: 'test:1', ttlMs: 10_000, mode: 'permits', permits, limit, ...extra };
}

/** One attempt at one hold. */
export async function attempt(backend: LockBackend<bigint>, request: HoldRequest, timeoutMs?: number): Promise<Answer<bigint>> {
  const [answer] = await backend.attempt([request], callOf(timeoutMs));
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

/** Takes what must be free. */
export async function take(backend: LockBackend<bigint>, request: HoldRequest): Promise<Granted> {
  const answer = await attempt(backend, request);
  if (!answer.granted) throw new Error(`${request.name} is busy`);
  return answer;
}

export async function free(backend: LockBackend<bigint>, request: HoldRequest): Promise<boolean> {
  const [freed] = await backend.release([request], callOf());
  return freed === true;
}

export async function waitersOf(backend: LockBackend<bigint>, name: string, kind: LockKind = 'lock'): Promise<number | null> {
  return (await backend.inspect(name, kind, callOf())).waiters;
}

export function fairWait(backend: LockBackend<bigint>, request: HoldRequest, signal?: AbortSignal): Promise<Granted> {
  if (backend.wait === undefined) throw new Error('not a fair backend');
  return backend.wait(request, callOf(2000, signal));
}

/** Counts wake-ups. */
export class Wakes {
  count = 0;
  readonly wake = (): void => {
    this.count += 1;
  };

  /** Resolves when there were more than before. */
  async after(count: number, timeoutMs = 5000): Promise<void> {
    await until(`wake-up ${count + 1}`, () => this.count > count, { timeoutMs, everyMs: 2 });
  }
}

function subscribe(backend: LockBackend<bigint>, request: HoldRequest, wake: () => void): { close(): void } {
  if (backend.subscribe === undefined) throw new Error('a fair backend has no subscriptions');
  return backend.subscribe(request, wake);
}

/** Subscribes, and waits until the channel stands: that is told by a first wake-up. */
export async function subscribed(backend: LockBackend<bigint>, request: HoldRequest): Promise<{ wakes: Wakes; close(): void }> {
  const wakes = new Wakes();
  // A subscription for a name of its own: the channel may stand already, and then nobody is told.
  const probe = requestOf(newName());
  const opened = new Wakes();
  const first = subscribe(backend, probe, opened.wake);
  const holder = requestOf(probe.name);
  await take(backend, holder);
  await until('the channel stands', async () => {
    if (opened.count > 0) return true;
    await attempt(backend, probe);
    await free(backend, holder);
    await attempt(backend, holder);
    return opened.count > 0;
  });
  await free(backend, holder);
  first.close();
  const subscription = subscribe(backend, request, wakes.wake);
  return { wakes, close: () => subscription.close() };
}

/** One Redis for a test file, and backends on it that end with their test. */
export interface RedisFixture {
  readonly server: RedisServer;
  readonly admin: Redis;
  backend(options?: RedisBackendOptions): LockBackend<bigint>;
}

export function useRedis(config?: Readonly<Record<string, string | number | readonly string[]>>): RedisFixture {
  let server: RedisServer | undefined;
  let admin: Redis | undefined;
  const backends: LockBackend<bigint>[] = [];
  beforeAll(async () => {
    server = await startRedis(config === undefined ? {} : { config });
    admin = new Redis(server.port);
    admin.on('error', () => {});
  });
  afterEach(async () => {
    await Promise.all(backends.splice(0).map((backend) => backend.close()));
  });
  afterAll(async () => {
    admin?.disconnect();
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
    backend(options = {}) {
      const backend = createRedisBackend(options.client === undefined ? { url: must(server).url, ...options } : options);
      backends.push(backend);
      return backend;
    },
  };
}
