import {
  type Answer,
  type CallContext,
  type Capabilities,
  type Clock,
  type Finding,
  type HoldRef,
  type HoldRequest,
  isLockError,
  type LockBackend,
  type LockKind,
  type LockState,
  type LostReason,
  type WaitLine,
} from '@holdfast/core';
import { allOrWorst } from '@holdfast/core/backend';
import type { ConnectionSource } from '../connection-source.js';
import { examineServer } from '../examine-server.js';
import { LeftSessions } from '../left-sessions.js';
import { Marks } from '../marks.js';
import { BACKEND, beforeSending, closedError, unavailable, unavailableBecause } from '../postgres-error.js';
import type { ResolvedPostgresOptions } from '../postgres-options.js';
import { Schema } from '../schema.js';
import { within } from '../within.js';
import { HoldSession } from './hold-session.js';
import { HolderTalk } from './holder-talk.js';
import { Holders } from './holders.js';
import { LockKeys, type NameKeys } from './lock-keys.js';
import { openSession } from './open-session.js';
import type { ServerProcess } from './session-settings.js';
import { endPredecessor } from './statements.js';
import { TokenCommits } from './token-commits.js';
import { WaitList } from './wait-list.js';

const OPEN_MS = 3_000;
/** Of the time that a call has: so that the one who asked hears what was missing. */
const OPEN_SHARE = 0.9;
const DRAIN_MS = 1_000;
const REOPEN_MS = 50;

/** A session that was given up, and of whom something may stand in it. */
interface Predecessor extends ServerProcess {
  readonly owners: ReadonlySet<string>;
}

/** Session advisory locks: one session holds all that this backend holds, and listens for it. */
export class AdvisoryBackend implements LockBackend<bigint> {
  readonly contract = 1;
  readonly name = BACKEND;
  readonly sessionMs: number;
  readonly capabilities: Capabilities = Object.freeze({
    fencing: true,
    semaphores: true,
    maxPermits: 1_000,
    readWriteLocks: true,
    fair: false,
    push: true,
    marks: true,
    list: false,
    expiry: 'session',
  });
  readonly marks: NonNullable<LockBackend<bigint>['marks']>;
  readonly #options: ResolvedPostgresOptions;
  readonly #source: ConnectionSource;
  readonly #clock: Clock;
  readonly #schema: Schema;
  readonly #keys: LockKeys;
  readonly #waitList = new WaitList((keys) => this.#tidy(keys));
  readonly #talk: HolderTalk;
  readonly #commits: TokenCommits;
  readonly #left: LeftSessions;
  readonly #holders: Holders;
  #current: HoldSession | null = null;
  /** Silent sessions that still hold something: its holders believe in it until their deadlines. */
  readonly #silent = new Set<HoldSession>();
  #predecessors: Predecessor[] = [];
  #opening: Promise<HoldSession> | null = null;
  #onLost: (hold: HoldRef, reason: LostReason) => void = () => {};
  /** Why there will not be another session. */
  #refused: Error | null = null;
  #isClosed = false;

  constructor(options: ResolvedPostgresOptions, source: ConnectionSource) {
    this.#options = options;
    this.sessionMs = options.sessionMs;
    this.#source = source;
    this.#clock = source.clock;
    this.#schema = new Schema(source, options.schema);
    this.#keys = new LockKeys(options.namespace, options.keyOf);
    this.#commits = new TokenCommits(source);
    this.#left = source.left ?? new LeftSessions(source.clock);
    this.#talk = new HolderTalk(this.#keys, source.clock);
    this.#holders = new Holders(this.#talk, this.#waitList, this.#clock, (hold, reason) => this.#onLost(hold, reason));
    this.marks = new Marks(source, this.#schema, options, () => this.#refuseIfClosed());
  }

  async attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<bigint>[]> {
    const session = this.#usable ?? (await beforeSending(this.#session(call.timeoutMs)));
    if (!this.#schema.isThere) await beforeSending(this.#schema.ensure(call.timeoutMs));
    return allOrWorst(
      requests.map((request) => session.attempt(request, call)),
      unavailable,
    );
  }

  async renew(holds: readonly (HoldRef & { readonly ttlMs: number })[]): Promise<readonly boolean[]> {
    this.#refuseIfClosed();
    const sessions = holds.map((hold) => this.#sessionOf(hold.owner));
    await allOrWorst(
      [...new Set(sessions)].map((session) => session?.confirm() ?? Promise.resolve()),
      unavailable,
    );
    return holds.map((hold, index) => sessions[index]?.prolong(hold.owner, hold.ttlMs) ?? false);
  }

  async release(holds: readonly HoldRef[], call: CallContext): Promise<readonly boolean[]> {
    this.#refuseIfClosed();
    // A connection that we closed proves nothing: what it carried may still arrive, unless its session has been ended.
    const isLeftBehind = holds.some(({ owner }) => this.#predecessors.some(({ owners }) => owners.has(owner)));
    if (isLeftBehind) await this.#endPredecessors(call.timeoutMs);
    return allOrWorst(
      holds.map((hold) => this.#sessionOf(hold.owner)?.release(hold) ?? Promise.resolve(false)),
      unavailable,
    );
  }

  /** Holds of a session that is silent must not keep those of another from being renewed. */
  partition(name: string): string {
    if (this.#silent.size === 0) return '';
    for (const session of this.#silent) if (session.knowsName(name)) return String(session.facts.processId);
    return '';
  }

  subscribe(request: HoldRequest, wake: () => void): { close(): void } {
    return this.#waitList.add(request, this.#keys.ofMode(request.mode, request.name), wake);
  }

  announce(request: HoldRequest, line: () => WaitLine): { close(): void } {
    return this.#waitList.announce(this.#keys.ofMode(request.mode, request.name), line);
  }

  onLost(listener: (hold: HoldRef, reason: LostReason) => void): void {
    this.#onLost = listener;
  }

  async inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    const session = await beforeSending(this.#session(call.timeoutMs));
    return this.#holders.inspect(session, this.#keys.of(kind, name), call.timeoutMs);
  }

  async forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean> {
    const session = await beforeSending(this.#session(call.timeoutMs));
    return this.#holders.forceRelease(session, this.#keys.of(kind, name), call.timeoutMs);
  }

  async checkHealth(call: CallContext): Promise<void> {
    const session = await beforeSending(this.#session(call.timeoutMs));
    await session.confirm();
  }

  examine(call: CallContext): Promise<readonly Finding[]> {
    return this.#source.borrow(call.timeoutMs, (connection) => examineServer(connection, call.clock, true));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const sessions = [...(this.#current === null ? [] : [this.#current]), ...this.#silent];
    // What those who waited have announced goes first, and the last releases.
    await Promise.all(sessions.map((session) => within(this.#clock, DRAIN_MS, 'not drained', session.drained()).catch(() => {})));
    const { pending } = this.#commits;
    this.#commits.close();
    // The server would keep a commit that waits for its standby, and its process, long after us.
    if (pending !== null) await this.#endProcess(sessions, pending);
    await Promise.all(sessions.map((session) => session.close(closedError(true))));
    await this.#opening?.then(
      (session) => session.close(closedError()),
      () => {},
    );
    this.#left.close();
    this.#source.close();
  }

  async #endProcess(sessions: readonly HoldSession[], { processId, startedAt }: ServerProcess): Promise<void> {
    const session = sessions.find((one) => !one.isSilent);
    if (session === undefined) return;
    const ended = session.run(endPredecessor, [String(processId), startedAt]);
    await within(this.#clock, DRAIN_MS, 'the server did not answer', ended).catch(() => {});
  }

  get #usable(): HoldSession | null {
    return this.#isClosed || this.#current?.isEnded !== false ? null : this.#current;
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw closedError();
  }

  #sessionOf(owner: string): HoldSession | undefined {
    if (this.#current?.knows(owner) === true) return this.#current;
    for (const session of this.#silent) if (session.knows(owner)) return session;
    return undefined;
  }

  async #session(timeoutMs: number): Promise<HoldSession> {
    this.#refuseIfClosed();
    if (this.#refused !== null) throw this.#refused;
    if (this.#usable !== null) return this.#usable;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    const session = await within(this.#clock, OPEN_SHARE * timeoutMs, this.#source.whenNotOpen, this.#opening);
    this.#refuseIfClosed();
    return session;
  }

  /** A session that is opened does so; one that is open already is asked to. */
  async #endPredecessors(timeoutMs: number): Promise<void> {
    const session = await this.#session(timeoutMs);
    const predecessors = this.#predecessors;
    await allOrWorst(
      predecessors.map(({ processId, startedAt }) => session.run(endPredecessor, [String(processId), startedAt])),
      unavailable,
    );
    this.#predecessors = this.#predecessors.filter((one) => !predecessors.includes(one));
  }

  async #open(): Promise<HoldSession> {
    const { pooler, sessionMs, schema } = this.#options;
    const isPooled = pooler === 'session';
    const predecessors = this.#predecessors;
    const opened = await openSession(
      this.#source,
      this.#schema,
      { isPooled, sessionMs, channel: this.#keys.talkChannel, predecessors, left: this.#left },
      OPEN_MS,
    );
    this.#predecessors = this.#predecessors.filter((one) => !predecessors.includes(one));
    const session = new HoldSession(
      opened,
      {
        keys: this.#keys,
        sequence: `"${schema}".fence`,
        waitList: this.#waitList,
        sessionMs,
        commits: this.#commits,
        onRefusal: (error) => this.#schema.notice(error),
      },
      {
        onLost: (hold, reason) => this.#onLost(hold, reason),
        onEnd: (ended, error, owners) => this.#ended(ended, error, owners),
        onChange: (changed) => this.#changed(changed),
      },
    );
    opened.connection.onNotification(({ channel, payload = '', processId }) => {
      if (channel === this.#keys.talkChannel) this.#talk.hear(payload, [{ session, answer: this.#holders.answererFor(session) }]);
      else if (processId !== opened.facts.processId) this.#waitList.wake(payload);
    });
    opened.connection.onListening((channel) => this.#waitList.wakeWhere(({ bucket }) => this.#keys.channel(bucket) === channel));
    if (session.isEnded || opened.connection.isEnded) throw unavailable(new Error('Connection terminated'));
    // The one that had fallen silent speaks again, and has holds.
    const recovered = this.#usable;
    if (recovered !== null) {
      void session.close(replacedError());
      return recovered;
    }
    this.#current = session;
    // What was reported between two sessions is not known, and nothing is announced on this one.
    this.#waitList.wakeAll();
    return session;
  }

  /** A wait has ended: what was announced for it goes, wherever it was. */
  #tidy(keys: NameKeys): void {
    this.#current?.tidy(keys);
    for (const session of this.#silent) session.tidy(keys);
  }

  #changed(session: HoldSession): void {
    if (session.isSilent) {
      if (session === this.#current) this.#current = null;
      this.#silent.add(session);
    } else if (this.#silent.delete(session)) {
      if (this.#current === null) this.#current = session;
      else this.#retire(session);
    }
  }

  /** It speaks again, but has been replaced: it goes when it holds nothing any more. */
  #retire(session: HoldSession): void {
    this.#silent.add(session);
    const look = (): void => {
      if (session.isEnded) return;
      if (session.isIdle) void session.close(replacedError());
      else this.#clock.setTimer(DRAIN_MS, look);
    };
    look();
  }

  #ended(session: HoldSession, error: Error, owners: ReadonlySet<string>): void {
    this.#silent.delete(session);
    if (session === this.#current) this.#current = null;
    if (this.#isClosed) return;
    // Another session would fare no better: everybody is notified why, until somebody has changed it.
    if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.retryable) this.#refused = error;
    // It may stand on the server for a while, if the connection was the part that broke.
    this.#predecessors.push({ ...session.facts, owners });
    this.#clock.setTimer(REOPEN_MS, () => {
      this.#waitList.wakeAll();
      // The next session ends it, with what stands there in the way of others and what is still on its way there.
      if (owners.size > 0) this.#endPredecessors(OPEN_MS).catch(() => {});
    });
  }
}

function replacedError(): Error {
  return unavailableBecause('another session has taken the place of this one');
}
