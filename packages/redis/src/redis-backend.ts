import { randomBytes } from 'node:crypto';
import {
  type Answer,
  type CallContext,
  type Capabilities,
  type Clock,
  type DifferentLimit,
  type Finding,
  type HoldRef,
  type HoldRequest,
  type LockBackend,
  type LockKind,
  type LockState,
  type NodeHealth,
  type Release,
  type ReleaseAnswer,
  systemClock,
} from '@holdfast/core';
import { allOrWorst, BatchSender, within } from '@holdfast/core/backend';
import { type ClientSource, clientSource } from './client-source.js';
import { Confirmer } from './confirmer.js';
import { refuseEviction } from './eviction-policy.js';
import { examineServers } from './examine-server.js';
import { HoldCommands, NOWHERE } from './hold-commands.js';
import { KeySpace } from './key-space.js';
import { scanNames } from './scan-names.js';
import { RedisMarks } from './marks.js';
import { missingRights } from './missing-rights.js';
import { MovingSlots } from './moving-slots.js';
import { forgetfulServers } from './persistence.js';
import { closedError, failureRulesOf, ForeignKeyError, isMoving, unavailable, verdictOf } from './redis-error.js';
import { type RedisBackendOptions, type ResolvedRedisOptions, resolveRedisOptions } from './redis-options.js';
import type { RedisStep } from './redis-step.js';
import { WaitQueue } from './wait-queue.js';
import { WakeChannel } from './wake-channel.js';
import { warnOfForeign } from './warn-of-foreign.js';

const NAME = 'redis';
/** A lease of some milliseconds asks for answers in fewer: that is no reason to end the connection of all the others. */
const LEAST_SILENCE_MS = 250;
const DRAIN_MS = 1000;

/**
 * Locks on one Redis: a server, a master found by Sentinel, or a Cluster. Makes no contact before the first call.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 *
 * @example
 * ```ts
 * import { createLockManager } from 'holdfast';
 * import { createRedisBackend } from 'holdfast/redis';
 *
 * const locks = createLockManager(createRedisBackend({ url: 'redis://localhost:6379' }), { waitMs: 2_000 });
 * await locks.close();
 * ```
 */
export function createRedisBackend(options: RedisBackendOptions): LockBackend<bigint> {
  const resolved = resolveRedisOptions('createRedisBackend', options);
  return new RedisBackend(resolved, clientSource(resolved, systemClock), systemClock);
}

export class RedisBackend implements LockBackend<bigint> {
  readonly contract = 1;
  readonly name = NAME;
  readonly capabilities: Capabilities;
  readonly requestsExpire = true;
  readonly tellsQueued = true;
  /** Plain managers hand on to waiters of their own, where one step of the server can do so. */
  readonly takesNext: boolean;
  readonly partition?: NonNullable<LockBackend<bigint>['partition']>;
  readonly marks: RedisMarks;
  /** On one server the commands' own: how a request goes is decided once. */
  readonly attempt: LockBackend<bigint>['attempt'];
  readonly release: LockBackend<bigint>['release'];
  /** Names this backend among the waiters on the server, and its channel. */
  readonly #id: string;
  readonly #clock: Clock;
  readonly #source: ClientSource;
  readonly #keySpace: KeySpace;
  readonly #sender: BatchSender<RedisStep>;
  readonly #commands: HoldCommands;
  readonly #channel: WakeChannel;
  readonly announce?: NonNullable<LockBackend<bigint>['announce']>;
  readonly #waitQueue: WaitQueue;
  readonly #confirmer: Confirmer | null;
  readonly #allowEviction: boolean;
  /** Of a cluster only. */
  readonly #moving: MovingSlots | null;
  #tellLimit: (seen: DifferentLimit) => void = () => {};
  #isClosed = false;

  /** @param source with connections as the options say */
  constructor(options: ResolvedRedisOptions, source: ClientSource, clock: Clock) {
    const { fair, replicas } = options;
    this.#clock = clock;
    this.#source = source;
    this.#allowEviction = options.allowEviction;
    // The first digit says how its channels are called: see waiters.lua.
    this.#id = (source.isCluster ? 'c' : '0') + randomBytes(8).toString('hex').slice(1);
    this.#keySpace = new KeySpace(options.prefix, source.keyPrefix);
    this.#sender = new BatchSender<RedisStep>({
      clock,
      link: source.link,
      failures: failureRulesOf(() => source.driver),
      head: { keys: [], argument: `1${this.#id}` },
      byRoute: source.isCluster,
      leastSilenceMs: LEAST_SILENCE_MS,
      isApart: (slot) => this.#moving?.has(slot) === true,
      verdictOf: (error, slot) => {
        if (isMoving(error)) this.#moving?.note(slot);
        return verdictOf(error);
      },
    });
    this.#moving = source.isCluster ? new MovingSlots(this.#keySpace, clock) : null;
    this.#commands = new HoldCommands(this.#sender, this.#keySpace, source.link, (seen) => this.#tellLimit(seen));
    this.#channel = new WakeChannel(source, this.#id, clock, {
      onMessage: (text, isOurServer) => this.#waitQueue.hear(text, isOurServer),
      onConnected: () => this.#waitQueue.refreshNow(),
    });
    this.#confirmer = replicas === null ? null : new Confirmer(source, this.#keySpace, clock, replicas.min, replicas.timeoutMs);
    this.#waitQueue = new WaitQueue({
      id: this.#id,
      clock,
      keySpace: this.#keySpace,
      commands: this.#commands,
      channel: this.#channel,
      isCluster: source.isCluster,
      asksFirst: fair,
      confirms: replicas !== null,
      connection: () => (source.isCluster ? null : (source.link.current?.connection ?? null)),
      moving: {
        concerns: (request) => this.#moving?.concerns(request) === true,
        attempt: (request, call) => (this.#moving as MovingSlots).acquire(this.#sender, request, call),
      },
      confirm: (request, timeoutMs) => this.#confirmGrants([request], timeoutMs),
    });
    this.#commands.waitersAre(this.#waitQueue);
    const [moving, commands] = [this.#moving, this.#commands];
    this.attempt = moving === null && replicas === null ? commands.acquireAll : (requests, call) => this.#attemptWithCare(requests, call);
    this.release = moving === null ? commands.free : (holds, call) => this.#releaseWithCare(moving, holds, call);
    this.capabilities = Object.freeze({
      fencing: true,
      semaphores: true,
      reportsLimits: true,
      maxPermits: 1_000,
      readWriteLocks: true,
      fair,
      push: true,
      marks: true,
      list: true,
      expiry: 'ttl',
    });
    if (!fair) this.announce = (request, line) => this.#waitQueue.announce(request, line);
    this.takesNext = !fair && !source.isCluster && replicas === null;
    if (source.isCluster) this.partition = (name) => source.link.current?.connection.port.nodeOf?.(this.#keySpace.slotOf(name)) ?? '';
    this.marks = new RedisMarks({
      sender: this.#sender,
      keySpace: this.#keySpace,
      confirm: async (slots, timeoutMs) => await this.#confirmer?.confirm(slots, timeoutMs),
      refuseIfClosed: () => this.#refuseIfClosed(),
    });
  }

  get driver(): string | null {
    return this.#source.driver;
  }

  async renew(
    holds: readonly (HoldRef & { readonly ttlMs: number; readonly restMs?: number })[],
    call: CallContext,
  ): Promise<readonly boolean[]> {
    this.#refuseIfClosed();
    const renewed = await this.#commands.renewAll(holds, call);
    // One that is not confirmed is not believed, but stands: its holder has what it had before.
    await this.#confirmer?.confirm(this.#slotsOf(holds.filter((_, i) => renewed[i])), call.timeoutMs);
    return renewed;
  }

  /** Stands in the queue on the server: every waiter of a fair manager, the first one of any other. */
  async wait(request: HoldRequest, call: CallContext): Promise<Extract<Answer<bigint>, { granted: true }>> {
    this.#refuseIfClosed();
    return this.#waitQueue.wait(request, call);
  }

  onLimitDiffers(listener: (seen: DifferentLimit) => void): void {
    this.#tellLimit = listener;
  }

  async inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    this.#refuseIfClosed();
    return this.#commands.inspect(name, kind, call);
  }

  async forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean> {
    this.#refuseIfClosed();
    return this.#commands.forceRelease(name, kind, call);
  }

  async *list(prefix: string, call: CallContext): AsyncIterable<LockState> {
    const foreign: string[] = [];
    for await (const batch of scanNames(this.#source, this.#keySpace, prefix, call.clock, call.timeoutMs)) {
      const states = await allOrWorst(
        batch.map(async ({ name, kind }) => {
          const state = await this.inspect(name, kind, call).catch((error: unknown) => {
            if (!(error instanceof ForeignKeyError)) throw error;
            foreign.push(name);
            return null;
          });
          if (state === null) return null;
          // Another program's value under the same prefix cannot be distinguished from a lock of another library.
          return state.holders.some(({ label }) => label !== null) ? state : null;
        }),
        unavailable,
      );
      yield* states.filter((state) => state !== null);
    }
    if (foreign.length > 0) warnOfForeign('redis: list()', foreign);
  }

  async checkHealth(call: CallContext): Promise<void | readonly NodeHealth[]> {
    try {
      const { connection } = await this.#source.link.open(call.timeoutMs);
      if (!this.#allowEviction) await within(call.clock, call.timeoutMs, refuseEviction(connection.port));
      const { port } = connection;
      const seen = await within(call.clock, call.timeoutMs, Promise.all([forgetfulServers(port), missingRights(port)]));
      const problems = seen.flat();
      if (problems.length > 0) return problems;
    } catch (error) {
      throw unavailable(error, null, this.driver);
    }
  }

  async examine(call: CallContext): Promise<readonly Finding[]> {
    try {
      const { connection } = await this.#source.link.open(call.timeoutMs);
      return await within(call.clock, call.timeoutMs, examineServers(connection.port, call.clock));
    } catch (error) {
      throw unavailable(error, null, this.driver);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#commands.close();
    // Waiters that are asked to go leave their places, and pass on the turns that they had.
    await within(this.#clock, DRAIN_MS, this.#waitQueue.close(closedError())).catch(() => {});
    await this.#sender.drain(DRAIN_MS);
    this.#channel.close();
    this.#confirmer?.close();
    this.#sender.close();
    this.#source.link.close();
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw closedError();
  }

  /** Also where slots move, or replicas have to confirm. */
  async #attemptWithCare(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<bigint>[]> {
    this.#refuseIfClosed();
    const together = (those: readonly HoldRequest[]): Promise<readonly Answer<bigint>[]> => this.#commands.acquireAll(those, call);
    const moving = this.#moving;
    const answers = await (moving === null
      ? together(requests)
      : moving.despite(requests, together, (request) => moving.acquire(this.#sender, request, call)));
    await this.#confirmGrants(
      requests.filter((_, i) => answers[i]?.granted === true),
      call.timeoutMs,
    );
    return answers;
  }

  /** Also where slots move. */
  async #releaseWithCare(moving: MovingSlots, holds: readonly Release[], call: CallContext): Promise<readonly ReleaseAnswer[]> {
    this.#refuseIfClosed();
    const together = (those: readonly HoldRef[]): Promise<readonly ReleaseAnswer[]> => this.#commands.free(those, call, { left: null });
    return await moving.despite(holds, together, (hold) => moving.release(this.#sender, hold, call));
  }

  /** Grants that too few replicas have are given back: a caller that does not learn of a grant must not hold it. */
  async #confirmGrants(requests: readonly HoldRequest[], timeoutMs: number): Promise<void> {
    if (this.#confirmer === null || requests.length === 0) return;
    try {
      await this.#confirmer.confirm(this.#slotsOf(requests), timeoutMs);
    } catch (error) {
      await this.#commands.free(requests, { timeoutMs }, { left: NOWHERE }).catch(() => {});
      throw error;
    }
  }

  #slotsOf(refs: readonly Pick<HoldRef, 'name' | 'mode'>[]): readonly number[] {
    return refs.map((ref) => this.#commands.keysOf(ref).slot);
  }
}
