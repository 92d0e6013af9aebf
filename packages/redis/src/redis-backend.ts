import { randomBytes } from 'node:crypto';
import type { Answer, CallContext, Capabilities, HoldRef, HoldRequest, LockBackend, LockKind, LockState } from '@holdfast/core';
import { readAnswer, readBoolean } from './answers.js';
import { type ClientSource, clientSource } from './client-source.js';
import { Confirmer } from './confirmer.js';
import { refuseEviction } from './eviction-policy.js';
import { closedError, FairQueue } from './fair-queue.js';
import { HoldCommands } from './hold-commands.js';
import { KeySpace, letterOfKind, type ModeLetter, type NameKeys } from './key-space.js';
import { within } from './link.js';
import { worstOf } from './reply-list.js';
import { scanNames } from './scan-names.js';
import { unavailable } from './redis-error.js';
import { type RedisBackendOptions, type ResolvedRedisOptions, resolveRedisOptions } from './redis-options.js';
import { ScriptSender } from './script-sender.js';
import { WakeChannel } from './wake-channel.js';
import { WakeList } from './wake-list.js';

const NAME = 'redis';
const BACKGROUND_MS = 2000;
const DRAIN_MS = 1000;

/**
 * Locks on one Redis: a server, a master found by Sentinel, or a Cluster. Makes no contact before the first call.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function createRedisBackend(options: RedisBackendOptions): LockBackend<bigint> {
  return new RedisBackend(resolveRedisOptions('createRedisBackend', options));
}

class RedisBackend implements LockBackend<bigint> {
  readonly contract = 1;
  readonly name = NAME;
  readonly capabilities: Capabilities;
  readonly wait?: NonNullable<LockBackend<bigint>['wait']>;
  readonly subscribe?: NonNullable<LockBackend<bigint>['subscribe']>;
  readonly partition?: NonNullable<LockBackend<bigint>['partition']>;
  readonly marks: NonNullable<LockBackend<bigint>['marks']>;
  /** Names this backend among the waiters on the server, and its channel. */
  readonly #id = randomBytes(8).toString('hex');
  readonly #source: ClientSource;
  readonly #keySpace: KeySpace;
  readonly #sender: ScriptSender;
  readonly #commands: HoldCommands;
  readonly #channel: WakeChannel;
  readonly #wakeList: WakeList;
  readonly #fairQueue: FairQueue;
  readonly #confirmer: Confirmer | null;
  readonly #allowEviction: boolean;
  #isClosed = false;

  constructor(options: ResolvedRedisOptions) {
    const { fair, replicas } = options;
    this.#source = clientSource(options);
    this.#allowEviction = options.allowEviction;
    this.#keySpace = new KeySpace(options.prefix, this.#source.keyPrefix);
    // Who asks, and whether PUBLISH tells how many listen: in a cluster it counts those on the same node only.
    const asker = (this.#source.isCluster ? '0' : '1') + this.#id;
    this.#sender = new ScriptSender(this.#source.link, this.#source.isCluster, asker);
    this.#commands = new HoldCommands(this.#sender, this.#keySpace, asker);
    this.#channel = new WakeChannel(this.#source, this.#id, {
      onWake: (holdKey, owner) => this.#onWake(holdKey, owner),
      onOpen: () => {
        this.#wakeList.wakeAll();
        this.#fairQueue.refreshNow();
      },
    });
    this.#wakeList = new WakeList(this.#keySpace, this.#id, (name, mode, keys, place) => this.#withdraw(name, mode, keys, place));
    this.#confirmer = replicas === null ? null : new Confirmer(this.#source, this.#keySpace, replicas.min, replicas.timeoutMs);
    this.#fairQueue = new FairQueue({
      id: this.#id,
      keySpace: this.#keySpace,
      commands: this.#commands,
      channel: this.#channel,
      confirm: (request, timeoutMs) => this.#confirmGrants([request], timeoutMs),
    });
    this.capabilities = Object.freeze({
      fencing: true,
      semaphores: true,
      maxPermits: 1_000,
      readWriteLocks: true,
      fair,
      push: true,
      marks: true,
      list: true,
      expiry: 'ttl',
    });
    if (fair) this.wait = (request, call) => this.#wait(request, call);
    else this.subscribe = (request, wake) => this.#subscribe(request, wake);
    if (this.#source.isCluster) this.partition = (name) => this.#source.link.current?.slots?.[this.#keySpace.slotOf(name)]?.[0] ?? '';
    this.marks = {
      set: (name, retentionMs, call) => this.#setMark(name, retentionMs, call),
      has: (name, call) => this.#hasMark(name, call),
    };
  }

  attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<bigint>[]> {
    if (this.#isClosed) return Promise.reject(closedError());
    const [first] = requests;
    // The common case, without a promise more than it needs.
    if (requests.length === 1 && first !== undefined && this.#confirmer === null && this.#wakeList.isEmpty) {
      return this.#commands.acquire(first, call, readAnswers);
    }
    return this.#attemptMany(requests, call);
  }

  async renew(holds: readonly (HoldRef & { readonly ttlMs: number })[], call: CallContext): Promise<readonly boolean[]> {
    this.#refuseIfClosed();
    const renewed = await this.#commands.renewAll(holds, call);
    // One that is not confirmed is not believed, but stands: its holder has what it had before.
    await this.#confirmer?.confirm(this.#slotsOf(holds.filter((_, i) => renewed[i])), call.timeoutMs);
    return renewed;
  }

  release(holds: readonly HoldRef[], call: CallContext): Promise<readonly boolean[]> {
    if (this.#isClosed) return Promise.reject(closedError());
    const [first] = holds;
    if (holds.length === 1 && first !== undefined) {
      return this.#commands.release(first, call.timeoutMs, readBooleans, this.#fairQueue.dismiss(first.owner));
    }
    return this.#commands.releaseAll(holds, call.timeoutMs, ({ owner }) => this.#fairQueue.dismiss(owner));
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
    for await (const batch of scanNames(this.#source, this.#keySpace, prefix, call.timeoutMs)) {
      const states = await allOrWorst(
        batch.map(async ({ name, kind }) => {
          const state = await this.inspect(name, kind, call);
          // Another program's value under the same prefix cannot be told from a lock of another library.
          return state.holders.some(({ label }) => label !== null) ? state : null;
        }),
      );
      yield* states.filter((state) => state !== null);
    }
  }

  async checkHealth(call: CallContext): Promise<void> {
    try {
      const client = await this.#source.link.open(call.timeoutMs);
      if (!this.#allowEviction) await within(call.timeoutMs, refuseEviction(client));
    } catch (error) {
      throw unavailable(error);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Waiters that are told to go leave their places, and pass on the turns that they had.
    await within(DRAIN_MS, this.#fairQueue.close(closedError())).catch(() => {});
    await this.#sender.drain(DRAIN_MS);
    this.#channel.close();
    this.#confirmer?.close();
    this.#sender.close();
    this.#source.link.close();
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw closedError();
  }

  async #attemptMany(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<bigint>[]> {
    const entries = this.#wakeList.isEmpty ? [] : requests.map((request) => this.#wakeList.find(request, this.#commands.keysOf(request)));
    for (const entry of entries) if (entry !== undefined) entry.isWoken = false;
    let answers: readonly Answer<bigint>[] = [];
    try {
      answers = await this.#commands.acquireAll(requests, (index) => entries[index]?.member ?? '', call);
    } finally {
      for (const [i, entry] of entries.entries()) if (entry !== undefined) this.#wakeList.answered(entry, answers[i]?.granted === true);
    }
    await this.#confirmGrants(
      requests.filter((_, i) => answers[i]?.granted === true),
      call.timeoutMs,
    );
    return answers;
  }

  /** Grants that too few replicas have are given back: whoever is not told of them must not hold them. */
  async #confirmGrants(requests: readonly HoldRequest[], timeoutMs: number): Promise<void> {
    if (this.#confirmer === null || requests.length === 0) return;
    try {
      await this.#confirmer.confirm(this.#slotsOf(requests), timeoutMs);
    } catch (error) {
      await this.#commands.releaseAll(requests, timeoutMs, () => '').catch(() => {});
      throw error;
    }
  }

  #slotsOf(refs: readonly Pick<HoldRef, 'name' | 'mode'>[]): readonly number[] {
    return refs.map((ref) => this.#commands.keysOf(ref).slot);
  }

  async #wait(request: HoldRequest, call: CallContext): Promise<Extract<Answer<bigint>, { granted: true }>> {
    this.#refuseIfClosed();
    return this.#fairQueue.wait(request, call);
  }

  #subscribe(request: HoldRequest, wake: () => void): { close(): void } {
    const subscription = this.#wakeList.add(request, wake);
    this.#channel.use();
    let isOpen = true;
    return {
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        subscription.close();
        this.#channel.unuse();
      },
    };
  }

  #onWake(holdKey: string, owner: string): void {
    if (owner !== '') {
      if (!this.#fairQueue.wake(owner)) this.#fairQueue.decline(holdKey, owner);
      return;
    }
    if (this.#wakeList.wake(holdKey)) return;
    // Woken for a waiter that has left: the next one's turn.
    const known = this.#keySpace.parse(holdKey);
    if (known === null) return;
    const mode = letterOfKind[known.kind];
    this.#withdraw(known.name, mode, this.#keySpace.keysOf(known.name, mode), '');
  }

  /** In the background: what is lost of it costs the others one poll. */
  #withdraw(name: string, mode: ModeLetter, keys: NameKeys, place: string): void {
    this.#commands.withdraw(name, mode, keys, place, BACKGROUND_MS).catch(() => {});
  }

  async #setMark(name: string, retentionMs: number, call: CallContext): Promise<boolean> {
    this.#refuseIfClosed();
    const isSet = await this.#commands.setMark(name, retentionMs, call);
    await this.#confirmer?.confirm([this.#keySpace.markKey(name).slot], call.timeoutMs);
    return isSet;
  }

  async #hasMark(name: string, call: CallContext): Promise<boolean> {
    this.#refuseIfClosed();
    return this.#commands.hasMark(name, call);
  }
}

const readAnswers = (reply: unknown, lockName: string | null): readonly Answer<bigint>[] => [readAnswer(reply, lockName)];
const readBooleans = (reply: unknown, lockName: string | null): readonly boolean[] => [readBoolean(reply, lockName)];

/** Waits for all, so that no answer is left on its way. */
async function allOrWorst<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(promises);
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  if (failures.length > 0) throw worstOf(failures);
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
}
