import { Buffer } from 'node:buffer';

/** For so long a waiting writer keeps new readers out; see shared-rows.ts. */
const INTENT_MS = 1_900;

/** What a mutant changes of the statements. */
export interface StatementRules {
  /** Which statements are refused that come after their moment. */
  readonly checksMoment: 'all' | 'grants' | 'none';
  /** Whether a statement looks whose the row is. */
  readonly checksOwner: boolean;
  /** Whether a renewal may shorten what is kept. */
  readonly neverShortens: boolean;
  /** Whether a fence is drawn anew for each grant. */
  readonly drawsFences: boolean;
  /** Whether a writer looks at the readers. */
  readonly looksAtReaders: boolean;
  /** Whether the time of a waiting writer ends. */
  readonly forgetsWriters: boolean;
}

export const realRules: StatementRules = {
  checksMoment: 'all',
  checksOwner: true,
  neverShortens: true,
  drawsFences: true,
  looksAtReaders: true,
  forgetsWriters: true,
};

/** A row of locks. Times are milliseconds of the server's clock. */
export interface LockRow {
  owner: string | null;
  label: string | null;
  fence: bigint;
  expiresAt: number;
  grantedAt: number | null;
}

/** What is kept of one holder in a row that several share. */
export interface Holder {
  readonly m: string;
  readonly p: number;
  readonly limit: number;
  readonly e: number;
  readonly f: bigint;
  readonly l: string;
  readonly a: number;
}

/** A row of a semaphore or a read/write lock. */
export interface SharedRow {
  holders: Map<string, Holder>;
  writerWaitsUntil: number;
}

type Row = readonly (string | null)[];

/** What a statement did, for those who look on. */
export interface Done {
  readonly what: string;
  readonly rows: readonly Row[];
  /** Owners whose release it carried out, and whether each had anything. */
  readonly freed: readonly { readonly owner: string; readonly wasHeld: boolean }[];
}

/** The statements of table leases over rows in memory. Kept to a real server by a differential test. */
export class TableModel {
  readonly locks = new Map<string, LockRow>();
  readonly shared = { semaphore: new Map<string, SharedRow>(), 'read-write': new Map<string, SharedRow>() };
  readonly #clock: () => number;
  readonly #rules: StatementRules;
  #lastFence: bigint;
  #now = 0;

  /** @param clock milliseconds of the server's clock */
  constructor(clock: () => number, rules: StatementRules = realRules) {
    this.#clock = clock;
    this.#rules = rules;
    this.#lastFence = BigInt(Math.floor(clock() * 1000));
  }

  /** Carries out one statement, which is recognised by its text. */
  run(text: string, values: readonly string[]): Done {
    this.#now = this.#clock();
    const done = (what: string, rows: readonly Row[], freed: Done['freed'] = []): Done => ({ what, rows, freed });
    if (text.includes('pg_class')) return done('look for the schema', [['3', this.#serverMs, '[]']]);
    if (text.startsWith('DELETE')) return done('tidy', []);
    // Nothing is decided by what is said of waiters.
    if (text.includes('AS r(kind, name, waiters,')) return done('note waiters', []);
    if (text.startsWith('SELECT asked.i')) return done('count waiters', []);
    const kind = text.includes("'semaphore'") ? 'semaphore' : text.includes("'read-write'") ? 'read-write' : 'lock';
    const timely = this.#isTimely(values, text.includes('RETURNING l.name, l.fence') || text.includes('AS token'));
    if (text.startsWith('SELECT')) return done('inspect', this.#inspect(kind, nameOf(values[1])));
    if (text.startsWith('UPDATE')) return done('withdraw', this.#withdraw(nameOf(values[1])));
    const names = listOf(values[1]).map(nameOf);
    const owners = listOf(values[2]);
    const attempted = (rows: readonly Row[]): Done => done('attempt', text.includes('confirmed AS') ? rows.map(withoutSign) : rows);
    if (kind === 'lock') {
      if (text.includes('fence = CASE')) return attempted(this.#attemptLocks(names, owners, values, timely));
      if (text.includes('greatest(')) return done('renew', this.#renewLocks(names, owners, numbersOf(values[3]), timely));
      return this.#releaseLocks(names, owners);
    }
    const rows = this.shared[kind];
    if (text.includes('AS token')) return attempted(this.#attemptShared(rows, names, owners, values, timely));
    if (text.includes("jsonb_build_object('e'")) return done('renew', this.#renewShared(rows, names, owners, numbersOf(values[3]), timely));
    return this.#releaseShared(rows, names, owners);
  }

  get #serverMs(): string {
    return String(Math.floor(this.#now));
  }

  /** The last two values of a timed statement say until when it may be carried out. */
  #isTimely(values: readonly string[], grants: boolean): boolean {
    const { checksMoment } = this.#rules;
    if (checksMoment === 'none' || (checksMoment === 'grants' && !grants)) return true;
    const [notAfter, window] = values.slice(-2).map(Number);
    const now = Math.floor(this.#now);
    return now <= (notAfter ?? 0) && now >= (notAfter ?? 0) - (window ?? 0);
  }

  #draw(): bigint {
    this.#lastFence += 1n;
    return this.#lastFence;
  }

  // --- rows of locks

  #attemptLocks(names: readonly string[], owners: readonly string[], values: readonly string[], timely: boolean): readonly Row[] {
    const labels = listOf(values[3]);
    const ttls = numbersOf(values[4]);
    return names.map((name, index) => {
      const owner = owners[index] ?? '';
      const before = this.locks.get(name);
      const leftMs = before === undefined ? null : before.expiresAt - this.#now;
      const answer = (fence: bigint | null): Row => [
        String(index + 1),
        fence === null ? null : String(fence),
        leftMs === null ? null : String(leftMs),
        before === undefined ? null : String(before.fence),
        this.#serverMs,
      ];
      const expiresAt = this.#now + (ttls[index] ?? 0);
      const isFree = before === undefined || before.expiresAt <= this.#now;
      if (!timely || (!isFree && before.owner !== owner)) return answer(null);
      const isMine = !isFree && before.owner === owner;
      const fence = isMine || (before !== undefined && !this.#rules.drawsFences) ? before.fence : this.#draw();
      this.locks.set(name, {
        owner,
        label: labels[index] ?? '',
        fence,
        expiresAt: isMine ? Math.max(before.expiresAt, expiresAt) : expiresAt,
        grantedAt: isMine ? before.grantedAt : this.#now,
      });
      return answer(fence);
    });
  }

  #renewLocks(names: readonly string[], owners: readonly string[], ttls: readonly number[], timely: boolean): readonly Row[] {
    return names.map((name, index) => {
      const row = this.#lockOf(name, owners[index] ?? '');
      if (row === null || !timely) return [String(index + 1), 'f', this.#serverMs];
      const until = this.#now + (ttls[index] ?? 0);
      row.expiresAt = this.#rules.neverShortens ? Math.max(row.expiresAt, until) : until;
      return [String(index + 1), 't', this.#serverMs];
    });
  }

  #releaseLocks(names: readonly string[], owners: readonly string[]): Done {
    const freed: { readonly owner: string; readonly wasHeld: boolean }[] = [];
    const rows = names.map((name, index): Row => {
      const owner = owners[index] ?? '';
      const row = this.#lockOf(name, owner);
      freed.push({ owner, wasHeld: row !== null });
      if (row !== null) Object.assign(row, { owner: null, label: null, expiresAt: this.#now });
      return [String(index + 1), row === null ? 'f' : 't', 'local', this.#serverMs];
    });
    return { what: 'release', rows, freed };
  }

  /** The row of an owner that has not expired. */
  #lockOf(name: string, owner: string): LockRow | null {
    const row = this.locks.get(name);
    // What is inserted where there is no row has expired.
    if (row === undefined) this.locks.set(name, { owner, label: null, fence: 0n, expiresAt: Number.NEGATIVE_INFINITY, grantedAt: null });
    if (row === undefined || row.expiresAt <= this.#now) return null;
    return row.owner === owner || !this.#rules.checksOwner ? row : null;
  }

  // --- rows that several share

  #attemptShared(
    rows: Map<string, SharedRow>,
    names: readonly string[],
    owners: readonly string[],
    values: readonly string[],
    timely: boolean,
  ): readonly Row[] {
    const [labels, modes, waits] = [listOf(values[3]), listOf(values[5]), listOf(values[8])];
    const [ttls, permits, limits] = [numbersOf(values[4]), numbersOf(values[6]), numbersOf(values[7])];
    return names.map((name, index) => {
      const owner = owners[index] ?? '';
      const m = modes[index] ?? '';
      const before = rows.get(name) ?? { holders: new Map<string, Holder>(), writerWaitsUntil: Number.NEGATIVE_INFINITY };
      const isNew = !rows.has(name);
      const live = this.#live(before);
      const ends = [...live.values()].map(({ e }) => e);
      if (before.writerWaitsUntil > this.#now) ends.push(before.writerWaitsUntil);
      // The keys of an object stand in their order.
      const [, other] = [...live].sort(([a], [b]) => (a < b ? -1 : 1)).find(([, { limit }]) => limit !== limits[index]) ?? [];
      const otherLimit = other === undefined ? null : String(other.limit);
      const latest = [...before.holders.values()].reduce((last, { f }) => (f > last ? f : last), 0n);
      const answer = (token: bigint | null): Row => [
        String(index + 1),
        token === null ? null : String(token),
        ends.length === 0 ? null : String(Math.min(...ends) - this.#now),
        m === 'p' ? otherLimit : null,
        latest === 0n ? null : String(latest),
        this.#serverMs,
      ];
      if (!timely) return answer(null);
      const own = live.get(owner);
      live.delete(owner);
      const others = [...live.values()];
      const may = own !== undefined || isNew || this.#fits(others, m, permits[index] ?? 1, limits[index] ?? 1, before.writerWaitsUntil);
      const isWaiting = waits[index] === 'true';
      if (!may) {
        if (isWaiting) before.writerWaitsUntil = this.#rules.forgetsWriters ? this.#now + INTENT_MS : Number.POSITIVE_INFINITY;
        return answer(null);
      }
      const e = Math.max(own?.e ?? 0, this.#now + (ttls[index] ?? 0));
      const f = own?.f ?? this.#draw();
      live.set(owner, { m, p: permits[index] ?? 1, limit: limits[index] ?? 1, e, f, l: labels[index] ?? '', a: own?.a ?? this.#now });
      rows.set(name, { holders: live, writerWaitsUntil: m === 'w' ? Number.NEGATIVE_INFINITY : before.writerWaitsUntil });
      return answer(f);
    });
  }

  #fits(others: readonly Holder[], m: string, permits: number, limit: number, writerWaitsUntil: number): boolean {
    if (m === 'p') return others.reduce((sum, { p }) => sum + p, permits) <= limit;
    if (m === 'r') return others.every((other) => other.m === 'r') && writerWaitsUntil <= this.#now;
    return others.length === 0 || (!this.#rules.looksAtReaders && others.every((other) => other.m === 'r'));
  }

  #renewShared(
    rows: Map<string, SharedRow>,
    names: readonly string[],
    owners: readonly string[],
    ttls: readonly number[],
    timely: boolean,
  ): readonly Row[] {
    return names.map((name, index) => {
      const row = rows.get(name);
      if (row === undefined) rows.set(name, { holders: new Map(), writerWaitsUntil: Number.NEGATIVE_INFINITY });
      if (row === undefined || !timely) return [String(index + 1), 'f', this.#serverMs];
      row.holders = this.#live(row);
      const owner = owners[index] ?? '';
      const holder = row.holders.get(owner);
      const until = this.#now + (ttls[index] ?? 0);
      if (holder !== undefined) row.holders.set(owner, { ...holder, e: this.#rules.neverShortens ? Math.max(holder.e, until) : until });
      return [String(index + 1), holder === undefined ? 'f' : 't', this.#serverMs];
    });
  }

  #releaseShared(rows: Map<string, SharedRow>, names: readonly string[], owners: readonly string[]): Done {
    const freed: { readonly owner: string; readonly wasHeld: boolean }[] = [];
    const replies = names.map((name, index): Row => {
      const owner = owners[index] ?? '';
      const row = rows.get(name);
      if (row === undefined) rows.set(name, { holders: new Map(), writerWaitsUntil: Number.NEGATIVE_INFINITY });
      else row.holders = this.#live(row);
      const wasHeld = row?.holders.delete(owner) === true;
      if (!this.#rules.checksOwner) row?.holders.clear();
      freed.push({ owner, wasHeld });
      return [String(index + 1), wasHeld ? 't' : 'f', 'local', this.#serverMs];
    });
    return { what: 'release', rows: replies, freed };
  }

  #withdraw(name: string): readonly Row[] {
    const row = this.shared['read-write'].get(name);
    if (row !== undefined) row.writerWaitsUntil = Number.NEGATIVE_INFINITY;
    return [];
  }

  #inspect(kind: 'lock' | 'semaphore' | 'read-write', name: string): readonly Row[] {
    const hex = Buffer.from(name, 'utf8').toString('hex');
    if (kind === 'lock') {
      const row = this.locks.get(name);
      if (row === undefined || row.expiresAt <= this.#now) return [];
      return [
        [
          hex,
          row.label,
          String(row.fence),
          String(row.expiresAt - this.#now),
          row.grantedAt === null ? null : String(this.#now - row.grantedAt),
        ],
      ];
    }
    const row = this.shared[kind].get(name);
    const live = row === undefined ? new Map<string, Holder>() : this.#live(row);
    if (live.size === 0) return [];
    const holders = Object.fromEntries([...live].map(([owner, holder]) => [owner, { ...holder, f: Number(holder.f) }]));
    return [[hex, JSON.stringify(holders), String(this.#now)]];
  }

  /** A copy without those whose time is over. */
  #live({ holders }: SharedRow): Map<string, Holder> {
    return new Map([...holders].filter(([, { e }]) => e > this.#now));
  }
}

/** The elements of an array literal. */
function listOf(literal = '{}'): readonly string[] {
  return [...literal.matchAll(/"((?:[^"\\]|\\.)*)"|NULL/g)].map(([, element = '']) => element.replace(/\\(.)/g, '$1'));
}

function numbersOf(literal: string | undefined): readonly number[] {
  return listOf(literal).map(Number);
}

function nameOf(hex = ''): string {
  return Buffer.from(hex, 'hex').toString('utf8');
}

/** The answer to an attempt that was to confirm the sign of a line, where none stands: here no signs are kept. */
function withoutSign(row: Row): Row {
  return [...row.slice(0, -1), 'f', row.at(-1) ?? null];
}
