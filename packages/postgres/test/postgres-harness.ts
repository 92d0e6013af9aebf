import { randomBytes } from 'node:crypto';
import { type Answer, type CallContext, type HoldRequest, type LockBackend, systemClock } from '@holdfast/core';
import { createPostgresBackend, type PostgresBackendOptions } from '@holdfast/postgres';
import { type PostgresServer, startPostgres } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, afterEach, beforeAll } from 'vitest';

export type Granted = Extract<Answer<bigint>, { granted: true }>;

/** A call as core makes it. */
export function callOf(timeoutMs = 2_000, signal: AbortSignal = new AbortController().signal): CallContext {
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

/** One PostgreSQL for a test file, and backends on it that end with their test. */
export interface PostgresFixture {
  readonly server: PostgresServer;
  readonly admin: pg.Pool;
  backend(options?: Omit<PostgresBackendOptions, 'shedLockTable'>): LockBackend<bigint>;
}

export function usePostgres(config?: Readonly<Record<string, string | number>>): PostgresFixture {
  let server: PostgresServer | undefined;
  let admin: pg.Pool | undefined;
  const backends: LockBackend<bigint>[] = [];
  beforeAll(async () => {
    server = await startPostgres(config === undefined ? {} : { config });
    admin = new pg.Pool({ connectionString: server.url, max: 3 });
    admin.on('error', () => {});
  });
  afterEach(async () => {
    await Promise.all(backends.splice(0).map((backend) => backend.close()));
  });
  afterAll(async () => {
    await admin?.end();
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
      const backend = createPostgresBackend(options.pool === undefined ? { connectionString: must(server).url, ...options } : options);
      backends.push(backend);
      return backend;
    },
  };
}
