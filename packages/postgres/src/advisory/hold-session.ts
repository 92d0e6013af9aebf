import { type Answer, type CallContext, type Clock, type HoldRef, type HoldRequest, isLockError, type LostReason } from '@holdfast/core';
import type { Connection, Row, Statement } from '../connection.js';
import { sqlState, unavailable, unavailableBecause } from '../postgres-error.js';
import { within } from '../within.js';
import { AttemptRunner } from './attempt-runner.js';
import { guardMs } from '@holdfast/core/backend';
import { HoldTable } from './hold-table.js';
import { type Job, JobLoop } from './job-loop.js';
import type { KeyMode } from './key-ring.js';
import type { LockKeys, NameKeys } from './lock-keys.js';
import type { OtherOperation } from './operations.js';
import type { OpenedSession } from './open-session.js';
import { reconcile, unlocksOf } from './reconcile.js';
import { unlockValues } from './release-batch.js';
import { ReleaseRunner } from './release-runner.js';
import { poolerError, ReplacedSessionError, reported, SessionLine } from './session-line.js';
import type { SessionFacts, SessionSettings } from './session-settings.js';
import { SessionTimers } from './session-timers.js';
import { heartbeat, unlock } from './statements.js';
import type { TokenCommits } from './token-commits.js';
import type { WaitList } from './wait-list.js';

/** So long the server has to make the session what it was. */
const LEAVE_MS = 1_000;

export interface SessionOptions {
  readonly keys: LockKeys;
  readonly sequence: string;
  readonly waitList: WaitList;
  readonly sessionMs: number;
  readonly commits: TokenCommits;
  /** The server refused a request. */
  readonly onRefusal: (error: unknown) => void;
}

/** What the backend hears from a session. */
export interface SessionListener {
  onLost(hold: HoldRef, reason: LostReason): void;
  /** @param owners of whom something stood in the session, or may come to: its connection may still carry what was asked for them */
  onEnd(session: HoldSession, error: Error, owners: ReadonlySet<string>): void;
  /** It is silent, or speaks again. */
  onChange(session: HoldSession): void;
}

/**
 * One database session and what it holds. Its statements follow one another and never wait for a lock; what is asked for
 * while one is under way goes into the next, releases first.
 */
export class HoldSession {
  readonly facts: SessionFacts;
  readonly table = new HoldTable();
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #settings: SessionSettings;
  readonly #options: SessionOptions;
  readonly #listener: SessionListener;
  readonly #line: SessionLine;
  readonly #attempts: AttemptRunner;
  readonly #releases: ReleaseRunner;
  readonly #timers: SessionTimers;
  readonly #jobs: JobLoop;
  #others: OtherOperation[] = [];
  #beats: { resolve(): void; reject(error: unknown): void }[] = [];
  #turn = 0;
  #end: Error | null = null;

  constructor({ connection, facts, settings }: OpenedSession, options: SessionOptions, listener: SessionListener) {
    this.#connection = connection;
    this.#clock = connection.clock;
    this.#settings = settings;
    this.facts = facts;
    this.#options = options;
    this.#listener = listener;
    this.#line = new SessionLine(connection, facts.processId, {
      onSilence: () => {
        this.#listener.onChange(this);
        this.#timers.silent();
      },
      onSpeech: () => {
        this.#timers.spoken();
        this.#listener.onChange(this);
      },
    });
    this.#attempts = new AttemptRunner(this.#line, this.table, {
      ...options,
      settings,
      parts: {
        clock: this.#clock,
        commit: (timeoutMs) => options.commits.commit(facts.durability, timeoutMs),
        uncommitted: ({ ref }) => void this.release(ref).catch(() => {}),
      },
      reconcile: () => this.#reconcile(),
      onAnswered: (keys) => this.#releases.tidyWhenLeft(keys),
    });
    this.#releases = new ReleaseRunner(this.#line, this.table, {
      ...options,
      withdraw: (owners) => this.#attempts.withdraw(owners),
      reconcile: () => this.#reconcile(),
    });
    this.#timers = new SessionTimers(this.#clock, this.#line, this.table, options.sessionMs, {
      letGo: (ref) => void this.release(ref).catch(() => {}),
      speak: () => void this.confirm().catch(() => {}),
      end: () => {
        this.#die(unavailableBecause('the session was silent for too long'));
        this.#connection.destroy();
      },
    });
    this.#jobs = new JobLoop(
      () => this.#next(),
      (error) => this.#failed(error),
    );
    connection.onEnd((error) => this.#die(sqlState(error) === null ? unavailableBecause('the session ended') : unavailable(error)));
  }

  get isSilent(): boolean {
    return this.#line.isSilent;
  }

  get isEnded(): boolean {
    return this.#end !== null;
  }

  /** Whether an end of this session would take nothing from anybody. */
  get isIdle(): boolean {
    return this.table.size === 0 && this.#attempts.waiting + this.#releases.waiting + this.#others.length === 0 && !this.#jobs.isRunning;
  }

  /** Whether it holds, or may come to hold, something of this owner. */
  knows(owner: string): boolean {
    return this.table.get(owner) !== undefined || this.#attempts.asks((request) => request.owner === owner);
  }

  knowsName(name: string): boolean {
    if (this.#attempts.asks((request) => request.name === name)) return true;
    for (const kind of ['lock', 'semaphore', 'read-write'] as const) {
      if (this.table.holdsOf(this.#options.keys.of(kind, name)).length > 0) return true;
    }
    return false;
  }

  attempt(request: HoldRequest, { signal, timeoutMs }: Pick<CallContext, 'signal' | 'timeoutMs'>): Promise<Answer<bigint>> {
    const deadline = this.#clock.now() + timeoutMs;
    const keys = this.#options.keys.ofMode(request.mode, request.name);
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(this.#end);
      this.#attempts.add({ request, keys, signal, deadline, tries: 0, taken: new Set(), resolve, reject });
      this.#jobs.kick();
    });
  }

  release(ref: HoldRef): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return resolve(false);
      this.#releases.add({ ref, resolve, reject });
      this.#jobs.kick();
    });
  }

  /** Resolves when the server has confirmed that this session holds every key that it believes in. */
  confirm(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(this.#end);
      this.#beats.push({ resolve, reject });
      this.#jobs.kick();
    });
  }

  /** Notes that a hold is wanted for longer. */
  prolong(owner: string, ttlMs: number): boolean {
    const hold = this.table.get(owner);
    if (hold === undefined) return false;
    hold.until = Math.max(hold.until, this.#clock.now() + ttlMs + guardMs(ttlMs));
    return true;
  }

  /** Any other statement that waits for no lock, in its turn. */
  run(statement: Statement, values: readonly string[] = []): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(this.#end);
      const run = async (): Promise<void> => resolve(await this.#line.send(statement, values));
      this.#others.push({ run, reject });
      this.#jobs.kick();
    });
  }

  /** Resolves when nothing is asked for any more. */
  drained(): Promise<void> {
    return this.#end === null ? this.#jobs.done() : Promise.resolve();
  }

  /** A wait has ended here: what was announced for it may go. */
  tidy(keys: NameKeys): void {
    if (this.#end !== null) return;
    this.#releases.tidyWhenLeft(keys);
    if (this.#releases.hasWork) this.#jobs.kick();
  }

  /** Ends the session, and with it all that it holds, as it was found. Never rejects. */
  async close(error: Error): Promise<void> {
    if (this.#end !== null) return;
    const isSilent = this.isSilent;
    const keys = [...this.table.ring.entries()];
    this.#die(error);
    if (isSilent) return this.#connection.destroy();
    try {
      await within(this.#clock, LEAVE_MS, 'the session did not end', this.#leave(keys));
      this.#connection.leave();
    } catch {
      this.#connection.end();
    }
  }

  /** A pooler may keep the session for its next client: not even the locks end with us. */
  async #leave(keys: Iterable<readonly [key: bigint, mode: KeyMode]>): Promise<void> {
    const rows = unlocksOf(keys);
    if (rows.length > 0) await this.#connection.query(unlock, unlockValues(rows));
    await this.#settings.putBack();
  }

  /** Releases go before everything; the others take turns. */
  #next(): Job | null {
    if (this.#end !== null) return null;
    this.#timers.armSweep();
    if (this.#releases.hasWork) return () => this.#releases.run();
    const jobs: readonly [pending: number, run: Job][] = [
      [this.#beats.length, () => this.#beat()],
      [this.#others.length, () => this.#runOther()],
      [this.#attempts.waiting, () => this.#attempts.run()],
    ];
    for (let step = 0; step < jobs.length; step++) {
      this.#turn = (this.#turn + 1) % jobs.length;
      const [pending, run] = jobs[this.#turn] ?? [0];
      if (pending > 0 && run !== undefined) return run;
    }
    return null;
  }

  async #beat(): Promise<void> {
    const beats = this.#beats;
    this.#beats = [];
    try {
      const [row] = await this.#line.send(heartbeat);
      this.#line.checkProcess(row?.[0]);
      if (row?.[1] !== 'f') throw unavailableBecause('the server has become a standby');
      const { count, high, low } = this.table.ring.sums;
      if (Number(row[2]) !== count || Number(row[3]) !== high || Number(row[4]) !== low) await this.#reconcile();
      for (const beat of beats) beat.resolve();
    } catch (error) {
      for (const beat of beats) beat.reject(reported(error));
      throw error;
    }
  }

  async #runOther(): Promise<void> {
    const operation = this.#others.shift();
    try {
      await operation?.run();
    } catch (error) {
      operation?.reject(unavailable(error));
      throw error;
    }
  }

  /** A statement failed: what it did before is not known. Finds out, or ends the session. */
  async #failed(error: unknown): Promise<void> {
    if (this.#end !== null) return;
    try {
      if (error instanceof ReplacedSessionError) throw poolerError();
      // What we have found out ourselves is not a statement that failed midway.
      if (isLockError(error)) throw error;
      await this.#reconcile();
    } catch (failure) {
      this.#die(failure instanceof Error ? unavailable(failure) : unavailableBecause('the session failed'));
      if (error instanceof ReplacedSessionError) void this.#settings.abandon();
      else this.#connection.destroy();
    }
  }

  async #reconcile(): Promise<void> {
    for (const { ref } of await reconcile(this.#line, this.table)) this.#listener.onLost(ref, 'session');
  }

  #die(error: Error): void {
    if (this.#end !== null) return;
    this.#end = error;
    this.#timers.stop();
    const owners = new Set(this.#attempts.open.map(({ request }) => request.owner));
    for (const { ref } of this.table.holds()) owners.add(ref.owner);
    this.#attempts.end(error);
    for (const operation of this.#others.splice(0)) operation.reject(error);
    this.#releases.end();
    for (const beat of this.#beats.splice(0)) beat.reject(error);
    for (const hold of [...this.table.holds()]) {
      this.table.remove(hold);
      this.#listener.onLost(hold.ref, 'session');
    }
    this.#listener.onEnd(this, error, owners);
  }
}
