import { type Answer, type CallContext, type Clock, type HoldRef, type HoldRequest, isLockError, type LostReason } from '@holdfast/core';
import type { Connection, Row, Statement } from '../connection.js';
import { sqlState, unavailable, unavailableBecause } from '../postgres-error.js';
import { within } from '../within.js';
import { AttemptRunner } from './attempt-runner.js';
import { guardMs } from '@holdfast/core/backend';
import { type HandOvers, handOversOf, NO_HAND_OVERS } from './hand-overs.js';
import { HoldTable } from './hold-table.js';
import type { KeyMode } from './key-ring.js';
import type { LockKeys, NameKeys } from './lock-keys.js';
import type { AttemptOperation, OtherOperation, ReleaseOperation } from './operations.js';
import type { OpenedSession } from './open-session.js';
import { reconcile, unlocksOf } from './reconcile.js';
import { compileReleases, type UnlockRow, unlockValues } from './release-batch.js';
import { poolerError, ReplacedSessionError, SessionLine } from './session-line.js';
import type { SessionFacts, SessionSettings } from './session-settings.js';
import { heartbeat, indexOf, unlock } from './statements.js';
import type { TokenCommits } from './token-commits.js';
import type { WaitList } from './wait-list.js';

/** How often holds are looked at whose time may be over. */
const SWEEP_MS = 250;
/** An announcement that nobody needs any more goes with the next release, or so much later. */
const TIDY_MS = 50;
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
  readonly #runner: AttemptRunner;
  #attempts: AttemptOperation[] = [];
  #releases: ReleaseOperation[] = [];
  #others: OtherOperation[] = [];
  readonly #tidy = new Map<string, NameKeys>();
  /** Names whose announcement nobody needs at present. */
  readonly #leftover = new Map<string, NameKeys>();
  #leftoverTimer: { cancel(): void } | null = null;
  #beats: { resolve(): void; reject(error: unknown): void }[] = [];
  #underWay: readonly AttemptOperation[] = [];
  /** While the last statement handed on, other releases stood behind it. */
  #isReleaseDue = false;
  #isRunning = false;
  #isScheduled = false;
  #turn = 0;
  #sweep: { cancel(): void } | null = null;
  #pulse: { cancel(): void } | null = null;
  /** Ends the session when the present silence lasts for too long. */
  #silence: { cancel(): void } | null = null;
  #end: Error | null = null;
  #whenDrained: (() => void)[] = [];

  constructor({ connection, facts, settings }: OpenedSession, options: SessionOptions, listener: SessionListener) {
    this.#connection = connection;
    this.#clock = connection.clock;
    this.#settings = settings;
    this.facts = facts;
    this.#options = options;
    this.#listener = listener;
    this.#line = new SessionLine(connection, facts.processId, {
      onSilence: () => this.#silent(),
      onSpeech: () => this.#spoken(),
    });
    this.#runner = new AttemptRunner(this.#line, this.table, {
      ...options,
      settings,
      parts: {
        clock: this.#clock,
        commit: (timeoutMs) => options.commits.commit(facts.durability, timeoutMs),
        uncommitted: ({ ref }) => void this.release(ref).catch(() => {}),
        isReleasing: ({ id }) => this.#releases.some(({ ref }) => this.table.get(ref.owner)?.keys.id === id),
      },
    });
    this.#armPulse();
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
    return this.table.size === 0 && this.#attempts.length + this.#releases.length + this.#others.length === 0 && !this.#isRunning;
  }

  /** Whether it holds, or may come to hold, something of this owner. */
  knows(owner: string): boolean {
    const isAsked = ({ request }: AttemptOperation): boolean => request.owner === owner;
    return this.table.get(owner) !== undefined || this.#attempts.some(isAsked) || this.#underWay.some(isAsked);
  }

  knowsName(name: string): boolean {
    const isAsked = ({ request }: AttemptOperation): boolean => request.name === name;
    if (this.#attempts.some(isAsked) || this.#underWay.some(isAsked)) return true;
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
      this.#attempts.push({ request, keys, signal, deadline, tries: 0, taken: new Set(), resolve, reject });
      this.#kick();
    });
  }

  release(ref: HoldRef): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return resolve(false);
      this.#releases.push({ ref, resolve, reject });
      this.#kick();
    });
  }

  /** Resolves when the server has confirmed that this session holds every key that it believes in. */
  confirm(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(this.#end);
      this.#beats.push({ resolve, reject });
      this.#kick();
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
      this.#kick();
    });
  }

  /** Resolves when nothing is asked for any more. */
  drained(): Promise<void> {
    if (this.#end !== null || (!this.#isRunning && !this.#isScheduled)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenDrained.push(resolve);
    });
  }

  /** A wait has ended here: what was announced for it may go. */
  tidy(keys: NameKeys): void {
    if (this.#end !== null) return;
    this.#tidyWhenLeft(keys);
    if (this.#tidy.size > 0) this.#kick();
  }

  #tidyWhenLeft(keys: NameKeys): void {
    const { waitList } = this.#options;
    const { ring } = this.table;
    const isAnnounced = ring.has(keys.announcement, 'shared') && !waitList.waits(keys);
    if (ring.has(keys.gate, 'exclusive') && !waitList.writes(keys)) this.#tidy.set(keys.id, keys);
    else if (isAnnounced) this.#tidyLater(keys);
  }

  /** The next waiter of this name mostly needs the announcement again, and costs nobody more than a notification. */
  #tidyLater(keys: NameKeys): void {
    this.#leftover.set(keys.id, keys);
    this.#leftoverTimer ??= this.#clock.setTimer(TIDY_MS, () => {
      this.#leftoverTimer = null;
      for (const [id, left] of this.#leftover) this.#tidy.set(id, left);
      this.#leftover.clear();
      if (this.#end === null && this.#tidy.size > 0) this.#kick();
    });
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

  /** Collects what is asked for in the same turn of the event loop. */
  #kick(): void {
    if (this.#isScheduled || this.#isRunning) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      void this.#work();
    });
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#armSweep();
    while (this.#end === null) {
      const job = this.#next();
      if (job === null) break;
      try {
        await job();
      } catch (error) {
        await this.#failed(error);
      }
    }
    this.#isRunning = false;
    for (const resolve of this.#whenDrained.splice(0)) resolve();
  }

  /** Releases go before everything, those that go with a request of the next waiter here in front; the others take turns. */
  #next(): (() => Promise<void>) | null {
    const handOvers = this.#isReleaseDue ? NO_HAND_OVERS : handOversOf(this.#releases, this.#attempts, this.table, this.#clock.now());
    this.#isReleaseDue = handOvers.size > 0 && (handOvers.size < this.#releases.length || this.#tidy.size > 0);
    if (handOvers.size > 0) return () => this.#attempt(handOvers);
    if (this.#releases.length > 0 || this.#tidy.size > 0) return () => this.#release();
    const jobs: readonly [pending: number, run: () => Promise<void>][] = [
      [this.#beats.length, () => this.#beat()],
      [this.#others.length, () => this.#runOther()],
      [this.#attempts.length, () => this.#attempt(NO_HAND_OVERS)],
    ];
    for (let step = 0; step < jobs.length; step++) {
      this.#turn = (this.#turn + 1) % jobs.length;
      const [pending, run] = jobs[this.#turn] ?? [0];
      if (pending > 0 && run !== undefined) return run;
    }
    return null;
  }

  async #attempt(handOvers: HandOvers): Promise<void> {
    const waiting = handOvers.size === 0 ? new Set() : new Set(this.#releases.map(({ ref }) => this.table.get(ref.owner)?.keys.id));
    const isBehind = (operation: AttemptOperation): boolean => waiting.has(operation.keys.id) && !handOvers.has(operation);
    const behind = this.#attempts.filter(isBehind);
    const batch = this.#runner.next(behind.length === 0 ? this.#attempts : this.#attempts.filter((one) => !isBehind(one)), handOvers);
    this.#attempts = [...batch.kept, ...behind];
    if (batch.handed.length > 0) this.#releases = this.#releases.filter((operation) => !batch.handed.includes(operation));
    this.#underWay = batch.operations;
    try {
      const again = await this.#runner.run(batch);
      this.#attempts.unshift(...again);
    } catch (error) {
      this.#options.onRefusal(error);
      for (const operation of batch.operations) operation.reject(told(error));
      await this.#failed(error);
      // The table knows nothing of the keys that were to be handed on, so they have been unlocked; or the session is over.
      for (const { resolve, reject } of batch.handed) {
        if (this.#end === null) resolve(true);
        else reject(told(error));
      }
    } finally {
      this.#underWay = [];
    }
    // Who left while its request was under way has left behind what that took for it.
    for (const { keys } of batch.operations) this.#tidyWhenLeft(keys);
  }

  async #release(): Promise<void> {
    const operations = this.#releases;
    const tidy = [...new Map([...this.#tidy, ...this.#leftover]).values()];
    this.#releases = [];
    this.#tidy.clear();
    this.#leftover.clear();
    const { waitList, keys } = this.#options;
    const compiled = compileReleases(operations, tidy, this.table, waitList, keys);
    this.#withdraw(compiled.unknown);
    if (compiled.rows.length === 0) return compiled.settle(() => true);
    // This session's own waiters are notified at once: their requests come behind this statement.
    for (const id of compiled.wakes) waitList.wake(id);
    try {
      const freed = await this.#sendUnlocks(compiled.rows);
      compiled.settle((row) => freed.has(row));
    } catch (error) {
      try {
        if (this.#connection.isEnded || error instanceof ReplacedSessionError) throw error;
        // The table knows nothing of these keys any more, so the rest of them is unlocked.
        await this.#reconcile();
        compiled.settle(() => true);
      } catch (failure) {
        compiled.reject(told(failure));
        throw failure;
      }
    }
  }

  /** A release of what has not been asked for yet takes the request back. */
  #withdraw(owners: ReadonlySet<string>): void {
    if (owners.size === 0) return;
    this.#attempts = this.#attempts.filter((operation) => {
      if (!owners.has(operation.request.owner)) return true;
      operation.reject(unavailableBecause('the request was released before it was sent', { lockName: operation.request.name }));
      return false;
    });
  }

  async #sendUnlocks(rows: readonly UnlockRow[]): Promise<ReadonlySet<number>> {
    const answers = await this.#line.send(unlock, unlockValues(rows));
    for (const row of answers) this.#line.checkProcess(row[2]);
    return new Set(answers.filter((row) => row[1] === '1').map(indexOf));
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
      for (const beat of beats) beat.reject(told(error));
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

  #silent(): void {
    this.#listener.onChange(this);
    // What holds nothing need not be waited for; else its holders believe in it until their deadlines.
    const left = this.table.size === 0 ? 0 : this.#options.sessionMs + guardMs(this.#options.sessionMs) - this.#line.silentMs;
    this.#silence?.cancel();
    this.#silence = this.#clock.setTimer(Math.max(0, left), () => {
      this.#die(unavailableBecause('the session was silent for too long'));
      this.#connection.destroy();
    });
  }

  /** The next silence counts from its own beginning. */
  #spoken(): void {
    this.#silence?.cancel();
    this.#listener.onChange(this);
  }

  /** Holds whose time is over are let go even if nobody asks for it: a manager that is stuck must not keep others out. */
  #armSweep(): void {
    this.#sweep ??= this.#clock.setTimer(SWEEP_MS, () => {
      this.#sweep = null;
      if (this.#end !== null || this.table.size === 0) return;
      const now = this.#clock.now();
      for (const hold of this.table.holds()) {
        if (hold.until < now) void this.release(hold.ref).catch(() => {});
      }
      this.#armSweep();
    });
  }

  /** The server ends a session that asks nothing for too long: that of a process that stands still, not one that nobody needs now. */
  #armPulse(): void {
    const intervalMs = Math.max(1, Math.floor(this.#options.sessionMs / 3));
    this.#pulse = this.#clock.setTimer(intervalMs, () => {
      if (this.#end !== null) return;
      if (this.#line.silentMs >= intervalMs / 2) void this.confirm().catch(() => {});
      this.#armPulse();
    });
  }

  #die(error: Error): void {
    if (this.#end !== null) return;
    this.#end = error;
    this.#sweep?.cancel();
    this.#pulse?.cancel();
    this.#leftoverTimer?.cancel();
    this.#silence?.cancel();
    const owners = new Set([...this.#attempts, ...this.#underWay].map(({ request }) => request.owner));
    for (const { ref } of this.table.holds()) owners.add(ref.owner);
    for (const operation of [...this.#attempts.splice(0), ...this.#underWay, ...this.#others.splice(0)]) operation.reject(error);
    for (const { resolve } of this.#releases.splice(0)) resolve(false);
    for (const beat of this.#beats.splice(0)) beat.reject(error);
    for (const hold of [...this.table.holds()]) {
      this.table.remove(hold);
      this.#listener.onLost(hold.ref, 'session');
    }
    this.#listener.onEnd(this, error, owners);
  }
}

function told(error: unknown): Error {
  return error instanceof ReplacedSessionError ? poolerError() : unavailable(error);
}
