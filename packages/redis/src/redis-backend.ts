import { randomBytes } from 'node:crypto';
import {
  type Answer,
  type CallContext,
  type Capabilities,
  type HoldRef,
  type HoldRequest,
  isLockError,
  type LockBackend,
  type LockKind,
  type LockState,
} from '@holdfast/core';
import { readAnswer, readBoolean } from './answers.js';
import { type ClientSource, clientSource } from './client-source.js';
import { Confirmer } from './confirmer.js';
import { refuseEviction } from './eviction-policy.js';
import { closedError, FairQueue } from './fair-queue.js';
import { readState } from './hold-state.js';
import { KeySpace, letterOf, letterOfKind, type ModeLetter, type NameKeys } from './key-space.js';
import { within } from './link.js';
import { scanNames } from './scan-names.js';
import { unavailable } from './redis-error.js';
import { type RedisBackendOptions, type ResolvedRedisOptions, resolveRedisOptions } from './redis-options.js';
import { releaseText, ScriptSender } from './script-sender.js';
import { type Script, scripts } from './scripts.generated.js';
import { WakeChannel } from './wake-channel.js';
import { WakeList } from './wake-list.js';

const NAME = 'redis';
/** A label is for people; a longer one is cut. */
const MAX_LABEL_LENGTH = 256;
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
  /** Who asks, and whether PUBLISH tells how many listen: in a cluster it counts those on the same node only. */
  readonly #asker: string;
  readonly #source: ClientSource;
  readonly #keySpace: KeySpace;
  readonly #sender: ScriptSender;
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
    this.#asker = (this.#source.isCluster ? '0' : '1') + this.#id;
    this.#sender = new ScriptSender(this.#source.link, this.#source.isCluster, this.#asker);
    this.#channel = new WakeChannel(this.#source, this.#id, {
      onWake: (holdKey, owner) => this.#onWake(holdKey, owner),
      onOpen: () => {
        this.#wakeList.wakeAll();
        this.#fairQueue.refreshNow();
      },
    });
    this.#wakeList = new WakeList(this.#keySpace, this.#id, (name, mode, keys, member) => this.#withdraw(name, mode, keys, member));
    this.#confirmer = replicas === null ? null : new Confirmer(this.#source, this.#keySpace, replicas.min, replicas.timeoutMs);
    this.#fairQueue = new FairQueue({
      id: this.#id,
      asker: this.#asker,
      keySpace: this.#keySpace,
      sender: this.#sender,
      channel: this.#channel,
      confirm: (request, keys, timeoutMs) => this.#confirmGrants([request], [keys], timeoutMs),
    });
    this.capabilities = Object.freeze({
      fencing: true,
      semaphores: true,
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
    const [first] = requests;
    // The common case, without a promise more than it needs.
    if (requests.length === 1 && first !== undefined && this.#confirmer === null && this.#wakeList.isEmpty) {
      return this.#sendAttempt(first, this.#keysOf(first), '-', call, (reply, name) => [readAnswer(reply, name)]);
    }
    return this.#attemptAll(requests, call);
  }

  async #attemptAll(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<bigint>[]> {
    const keys = requests.map((request) => this.#keysOf(request));
    const answers = await allOrFirstError(requests.map((request, i) => this.#attemptOne(request, keys[i] as NameKeys, call)));
    const granted = requests.flatMap((request, i) => (answers[i]?.granted === true ? [{ request, keys: keys[i] as NameKeys }] : []));
    await this.#confirmGrants(
      granted.map(({ request }) => request),
      granted.map((grant) => grant.keys),
      call.timeoutMs,
    );
    return answers;
  }

  async renew(holds: readonly (HoldRef & { readonly ttlMs: number })[], call: CallContext): Promise<readonly boolean[]> {
    const slots: number[] = [];
    const replies = holds.map((hold) => {
      const mode = letterOf[hold.mode];
      const { slot, keys } = this.#keysOf(hold);
      slots.push(slot);
      const [hold0, second = '', third = ''] = keys;
      const touched = mode === 'p' ? [hold0, second] : mode === 'r' ? [second, third] : [hold0];
      return this.#send(scripts.renew, slot, touched, [`${mode} ${hold.owner} ${hold.ttlMs}`], hold.name, call, readBoolean);
    });
    const renewed = await allOrFirstError(replies);
    if (this.#confirmer !== null && renewed.includes(true)) {
      await this.#confirmer.confirm(
        slots.filter((_, i) => renewed[i]),
        call.timeoutMs,
      );
    }
    return renewed;
  }

  release(holds: readonly HoldRef[], call: CallContext): Promise<readonly boolean[]> {
    const [first] = holds;
    if (holds.length === 1 && first !== undefined) return this.#sendRelease(first, call, (reply, name) => [readBoolean(reply, name)]);
    return allOrFirstError(holds.map((hold) => this.#sendRelease(hold, call, readBoolean)));
  }

  inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    const mode = letterOfKind[kind];
    const { slot, keys } = this.#keySpace.keysOf(name, mode);
    return this.#send(scripts.inspect, slot, keys, [this.#asker, mode], name, call, (reply) => readState(reply, name, kind));
  }

  forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean> {
    const mode = letterOfKind[kind];
    const { slot, keys } = this.#keySpace.keysOf(name, mode);
    return this.#send(scripts.forceRelease, slot, keys, [this.#asker, mode], name, call, readBoolean);
  }

  async *list(prefix: string, call: CallContext): AsyncIterable<LockState> {
    for await (const batch of scanNames(this.#source, this.#keySpace, prefix, call.timeoutMs)) {
      const states = await allOrFirstError(
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

  #keysOf({ name, mode }: Pick<HoldRef, 'name' | 'mode'>): NameKeys {
    return this.#keySpace.keysOf(name, letterOf[mode]);
  }

  #send<T>(
    script: Script,
    slot: number,
    keys: readonly string[],
    args: readonly string[],
    lockName: string,
    call: CallContext,
    read: (reply: unknown, lockName: string | null) => T,
  ): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedError());
    return this.#sender.send({ script, slot, keys, args, lockName, timeoutMs: call.timeoutMs, call }, read);
  }

  #sendAttempt<T>(
    request: HoldRequest,
    name: NameKeys,
    place: string,
    call: CallContext,
    read: (reply: unknown, lockName: string | null) => T,
  ): Promise<T> {
    const mode = letterOf[request.mode];
    const count = request.mode === 'permits' ? ` ${request.permits} ${request.limit}` : '';
    const text = `${mode} ${request.owner} ${request.ttlMs} ${place}${count} ${shorten(request.label)}`;
    const keys = mode === 'p' ? name.keys : [...name.keys, name.fence];
    return this.#send(scripts.acquire, name.slot, keys, [text], request.name, call, read);
  }

  async #attemptOne(request: HoldRequest, name: NameKeys, call: CallContext): Promise<Answer<bigint>> {
    const entry = this.#wakeList.find(request, name);
    if (entry !== undefined) entry.isWoken = false;
    try {
      const answer = await this.#sendAttempt(request, name, entry?.member ?? '-', call, readAnswer);
      if (entry !== undefined) this.#wakeList.answered(entry, answer.granted);
      return answer;
    } catch (error) {
      if (entry !== undefined) this.#wakeList.answered(entry, false);
      throw error;
    }
  }

  #sendRelease<T>(hold: HoldRef, call: CallContext, read: (reply: unknown, lockName: string | null) => T): Promise<T> {
    const { slot, keys } = this.#keysOf(hold);
    const text = releaseText(letterOf[hold.mode], hold.owner, this.#fairQueue.dismiss(hold.owner));
    return this.#send(scripts.release, slot, keys, [text], hold.name, call, read);
  }

  /** Grants that too few replicas have are given back: whoever is not told of them must not hold them. */
  async #confirmGrants(requests: readonly HoldRequest[], keys: readonly NameKeys[], timeoutMs: number): Promise<void> {
    if (this.#confirmer === null || requests.length === 0) return;
    try {
      await this.#confirmer.confirm(
        keys.map(({ slot }) => slot),
        timeoutMs,
      );
    } catch (error) {
      await Promise.allSettled(
        requests.map(({ mode, owner, name }, i) => {
          const { slot, keys: holdKeys } = keys[i] as NameKeys;
          const args = [releaseText(letterOf[mode], owner)];
          return this.#sender.send(
            { script: scripts.release, slot, keys: holdKeys, args, lockName: name, timeoutMs, call: null },
            readBoolean,
          );
        }),
      );
      throw error;
    }
  }

  async #wait(request: HoldRequest, call: CallContext): Promise<Extract<Answer<bigint>, { granted: true }>> {
    if (this.#isClosed) throw closedError();
    return this.#fairQueue.wait({ ...request, label: shorten(request.label) }, call);
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
      if (!this.#fairQueue.wake(owner)) this.#fairQueue.giveBack(holdKey, owner);
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
  #withdraw(name: string, mode: ModeLetter, { slot, keys }: NameKeys, member: string): void {
    const args = [this.#asker, mode, member];
    this.#sender
      .send({ script: scripts.withdraw, slot, keys, args, lockName: name, timeoutMs: BACKGROUND_MS, call: null }, readBoolean)
      .catch(() => {});
  }

  async #setMark(name: string, retentionMs: number, call: CallContext): Promise<boolean> {
    const { slot, key } = this.#keySpace.markKey(name);
    const set = await this.#send(scripts.setMark, slot, [key], [String(retentionMs)], name, call, readBoolean);
    await this.#confirmer?.confirm([slot], call.timeoutMs);
    return set;
  }

  async #hasMark(name: string, call: CallContext): Promise<boolean> {
    const { slot, key } = this.#keySpace.markKey(name);
    return this.#send(scripts.hasMark, slot, [key], [], name, call, readBoolean);
  }
}

/** Waits for all, so that no answer is left on its way, and then throws the first failure that waiting cannot mend, or else any. */
async function allOrFirstError<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(promises);
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [unavailable(outcome.reason)] : []));
  const final = failures.find((error) => isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.retryable) ?? failures[0];
  if (final !== undefined) throw final;
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
}

function shorten(label: string): string {
  return label.length <= MAX_LABEL_LENGTH ? label : label.slice(0, MAX_LABEL_LENGTH).toWellFormed();
}
