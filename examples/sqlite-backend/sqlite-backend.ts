import { randomUUID } from 'node:crypto';
import type {
  Answer,
  CallContext,
  Capabilities,
  HolderState,
  HoldRef,
  HoldRequest,
  LockBackend,
  LockKind,
  LockState,
} from '@holdfast/core';
import { LockClosedError } from '@holdfast/core';
import { Database, NOW, type Row } from './database.js';
import { FreedWatch } from './freed-watch.js';

/** While a writer waits it asks again within two seconds, so for a little longer no newcomer reads. */
const WRITER_MS = 2_200;

/**
 * Locks for the processes of one host, in a file of SQLite, without a server: locks, semaphores and read/write locks that expire by SQLite's
 * clock, with fencing tokens. Every step is one transaction.
 *
 * Requests cannot arrive late: a step has been carried out when the call returns, so a release that follows is final.
 */
export class SqliteBackend implements LockBackend<bigint> {
  readonly contract = 1;
  readonly name = 'sqlite';
  readonly capabilities: Capabilities = {
    fencing: true,
    semaphores: true,
    readWriteLocks: true,
    fair: false,
    push: true,
    marks: false,
    list: true,
    expiry: 'ttl',
  };
  readonly #database: Database;
  readonly #watch: FreedWatch;
  readonly #client = randomUUID();
  #isClosed = false;

  /** @param path of the file, on a disk of this host: not on a network's */
  constructor(path: string) {
    this.#database = new Database(path);
    this.#watch = new FreedWatch(this.#database);
  }

  attempt(requests: readonly HoldRequest[]): Promise<readonly Answer<bigint>[]> {
    return this.#step(() => requests.map((request) => this.#take(request)));
  }

  renew(holds: readonly (HoldRef & { readonly ttlMs: number })[]): Promise<readonly boolean[]> {
    // What has expired is gone already: each step begins with that.
    const sql = `UPDATE holds SET expires_at = max(expires_at, ${NOW} + ?) WHERE kind = ? AND name = ? AND owner = ?`;
    return this.#step(() =>
      holds.map(({ name, owner, mode, ttlMs }) => this.#database.run(sql, ttlMs, kindOf(mode), hex(name), owner) > 0),
    );
  }

  release(holds: readonly HoldRef[]): Promise<readonly boolean[]> {
    const sql = 'DELETE FROM holds WHERE kind = ? AND name = ? AND owner = ?';
    return this.#step(() =>
      this.#freeing(holds.map(({ name, owner, mode }) => this.#database.run(sql, kindOf(mode), hex(name), owner) > 0)),
    );
  }

  subscribe(request: HoldRequest, wake: () => void): { close(): void } {
    const watched = this.#watch.open(request.name, wake);
    return {
      close: () => {
        watched.close();
        // A writer that gives up lets the readers behind it in.
        if (request.mode === 'write' && !this.#isClosed) void this.#step(() => this.#forgetWriter(request.name)).catch(() => {});
      },
    };
  }

  inspect(name: string, kind: LockKind): Promise<LockState> {
    return this.#step(() => {
      const rows = this.#database.all(`SELECT *, expires_at - ${NOW} AS rest FROM holds WHERE kind = ? AND name = ?`, kind, hex(name));
      return stateOf(name, kind, rows);
    });
  }

  async *list(prefix: string, _call: CallContext): AsyncIterable<LockState> {
    const start = hex(prefix);
    const sql = `SELECT *, expires_at - ${NOW} AS rest FROM holds WHERE substr(name, 1, ?) = ? ORDER BY kind, name`;
    const rows = await this.#step(() => this.#database.all(sql, start.length, start));
    for (const key of new Set(rows.map(({ kind, name }) => `${String(kind)} ${String(name)}`))) {
      const [kind = '', name = ''] = key.split(' ');
      const own = rows.filter((row) => row['kind'] === kind && row['name'] === name);
      yield stateOf(text(name), kind as LockKind, own);
    }
  }

  forceRelease(name: string, kind: LockKind): Promise<boolean> {
    return this.#step(() => {
      const [freed = false] = this.#freeing([this.#database.run('DELETE FROM holds WHERE kind = ? AND name = ?', kind, hex(name)) > 0]);
      return freed;
    });
  }

  async checkHealth(): Promise<void> {
    await this.#step(() => this.#database.get('SELECT 1'));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch.close();
    this.#database.close();
  }

  /** One transaction, without what has expired. */
  async #step<T>(work: () => T): Promise<T> {
    if (this.#isClosed) throw new LockClosedError('the sqlite backend is closed', { backend: this.name });
    return this.#database.transaction(() => {
      this.#database.run(`DELETE FROM holds WHERE expires_at <= ${NOW}`);
      return work();
    });
  }

  #take(request: HoldRequest): Answer<bigint> {
    const { name, owner, mode, ttlMs, label } = request;
    const [kind, key] = [kindOf(mode), hex(name)];
    const rows = this.#database.all(`SELECT *, expires_at - ${NOW} AS rest FROM holds WHERE kind = ? AND name = ?`, kind, key);
    const own = rows.find((row) => row['owner'] === owner);
    if (own !== undefined) {
      this.#database.run(
        `UPDATE holds SET expires_at = max(expires_at, ${NOW} + ?) WHERE kind = ? AND name = ? AND owner = ?`,
        ttlMs,
        kind,
        key,
        owner,
      );
      return { granted: true, fencingToken: tokenOf(own) as bigint };
    }
    if (!this.#fits(request, rows)) {
      if (mode === 'write' && this.#watch.isOpen(name)) this.#noteWriter(key);
      const rests = rows.map((row) => Number(row['rest']));
      return {
        granted: false,
        remainingMs: rests.length === 0 ? null : Math.max(0, mode === 'write' ? Math.max(...rests) : Math.min(...rests)),
      };
    }
    if (mode === 'write') this.#forgetWriter(name);
    const token = mode === 'permits' ? null : this.#nextToken();
    const permits = mode === 'permits' ? request.permits : 1;
    const sql = `INSERT INTO holds VALUES (?, ?, ?, ?, ?, ?, ?, ${NOW} + ?)`;
    this.#database.run(sql, kind, key, owner, mode, permits, hex(label), token, ttlMs);
    return { granted: true, fencingToken: (token === null ? null : BigInt(token)) as bigint };
  }

  #fits(request: HoldRequest, rows: readonly Row[]): boolean {
    switch (request.mode) {
      case 'exclusive':
      case 'write':
        return rows.length === 0;
      case 'read':
        return rows.every((row) => row['mode'] === 'read') && !this.#hasWriter(hex(request.name));
      case 'permits':
        return rows.reduce((sum, row) => sum + Number(row['permits']), 0) + request.permits <= request.limit;
      default:
        return request satisfies never;
    }
  }

  #noteWriter(key: string): void {
    this.#database.run(`INSERT OR REPLACE INTO writers VALUES (?, ?, ${NOW} + ?)`, key, this.#client, WRITER_MS);
  }

  #hasWriter(key: string): boolean {
    this.#database.run(`DELETE FROM writers WHERE expires_at <= ${NOW}`);
    return this.#database.get('SELECT 1 AS one FROM writers WHERE name = ?', key) !== undefined;
  }

  #forgetWriter(name: string): void {
    this.#freeing([this.#database.run('DELETE FROM writers WHERE name = ? AND client = ?', hex(name), this.#client) > 0]);
  }

  #nextToken(): number {
    return Number(this.#database.get(`UPDATE counters SET n = max(n + 1, ${NOW} * 1000) WHERE what = 'token' RETURNING n`)?.['n']);
  }

  /** A waiter, in this process and in others, sees by the counter that something was freed. */
  #freeing(freed: readonly boolean[]): readonly boolean[] {
    if (freed.includes(true)) {
      this.#database.run("UPDATE counters SET n = n + 1 WHERE what = 'freed'");
      this.#watch.lookSoon();
    }
    return freed;
  }
}

function kindOf(mode: HoldRequest['mode']): LockKind {
  if (mode === 'exclusive') return 'lock';
  return mode === 'permits' ? 'semaphore' : 'read-write';
}

function stateOf(name: string, kind: LockKind, rows: readonly Row[]): LockState {
  const holders = rows.map(
    (row): HolderState => ({
      label: text(String(row['label'])),
      mode: row['mode'] as HolderState['mode'],
      permits: Number(row['permits']),
      remainingMs: Math.max(0, Number(row['rest'])),
      fencingToken: tokenOf(row),
    }),
  );
  return { name, kind, held: holders.length > 0, holders, waiters: null };
}

function tokenOf(row: Row): bigint | null {
  const token = row['token'];
  return token === null || token === undefined ? null : BigInt(token);
}

/** Any text, also with a NUL in it, is one key and no other; a prefix stays a prefix. */
function hex(value: string): string {
  return Buffer.from(value, 'utf8').toString('hex');
}

function text(value: string): string {
  return Buffer.from(value, 'hex').toString('utf8');
}
