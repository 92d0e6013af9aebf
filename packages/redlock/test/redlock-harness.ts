import { randomBytes } from 'node:crypto';
import { type Answer, type CallContext, type HoldRequest, type LockBackend, systemClock } from '@holdfast/core';
import { createRedlockBackend, initializeNodes, type RedlockBackendOptions } from '@holdfast/redlock';
import { type RedisNodes, startRedisNodes } from '@holdfast/test/servers';
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

export function newOwner(): string {
  return randomBytes(16).toString('hex');
}

type Extra = Partial<Pick<HoldRequest, 'ttlMs' | 'label' | 'owner'>>;

export function requestOf(name: string, mode: 'exclusive' | 'read' | 'write' = 'exclusive', extra: Extra = {}): HoldRequest {
  return { name, owner: newOwner(), label: 'test:1', ttlMs: 10_000, mode, ...extra };
}

export function permitsOf(name: string, permits: number, limit: number, extra: Extra = {}): HoldRequest {
  return { name, owner: newOwner(), label: 'test:1', ttlMs: 10_000, mode: 'permits', permits, limit, ...extra };
}

/** One attempt at one hold. */
export async function attempt(backend: LockBackend<bigint>, request: HoldRequest, timeoutMs?: number): Promise<Answer<bigint>> {
  const [answer] = await backend.attempt([request], callOf(timeoutMs));
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

/** Takes what must be free. */
export async function take(backend: LockBackend<bigint>, request: HoldRequest, timeoutMs?: number): Promise<Granted> {
  const answer = await attempt(backend, request, timeoutMs);
  if (!answer.granted) throw new Error(`${request.name} is busy`);
  return answer;
}

export async function free(backend: LockBackend<bigint>, request: HoldRequest): Promise<boolean> {
  const [freed] = await backend.release([request], callOf());
  return freed === true;
}

/** Independent servers for a test file, set up as a new deployment, and backends on them that end with their test. */
export interface NodesFixture {
  readonly servers: RedisNodes['nodes'];
  readonly urls: readonly string[];
  readonly admins: readonly Redis[];
  backend(options?: RedlockBackendOptions): LockBackend<bigint>;
}

export function useNodes(count: number, options: Omit<RedlockBackendOptions, 'urls' | 'clients'> = {}): NodesFixture {
  let started: RedisNodes | null = null;
  let admins: readonly Redis[] = [];
  const backends: LockBackend<bigint>[] = [];
  beforeAll(async () => {
    started = await startRedisNodes(count);
    admins = started.nodes.map(({ port }) => {
      const admin = new Redis(port);
      admin.on('error', () => {});
      return admin;
    });
    await initializeNodes({ ...options, urls: started.urls });
  });
  afterEach(async () => {
    await Promise.all(backends.splice(0).map((backend) => backend.close()));
  });
  afterAll(async () => {
    for (const admin of admins) admin.disconnect();
    await started?.close();
  });
  const must = (): RedisNodes => {
    if (started === null) throw new Error('not started');
    return started;
  };
  return {
    get servers() {
      return must().nodes;
    },
    get urls() {
      return must().urls;
    },
    get admins() {
      return admins;
    },
    backend(own = {}) {
      const backend = createRedlockBackend({ ...(own.clients === undefined ? { urls: must().urls } : {}), ...options, ...own });
      backends.push(backend);
      return backend;
    },
  };
}
