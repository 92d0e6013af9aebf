import type {
  Answer,
  CallContext,
  Capabilities,
  Clock,
  DifferentLimit,
  FencingToken,
  Finding,
  HoldRef,
  HoldRequest,
  LockBackend,
  LockKind,
  LockState,
  LostReason,
  NodeHealth,
  ReleaseAnswer,
  WaitLine,
} from '@holdfast/core';
import { type WakeEntry, WakeList, within } from '@holdfast/core/backend';
import { adoptHold } from './protocol/adoption.js';
import { Attempt, passedOn } from './protocol/attempt.js';
import { Cleaner } from './protocol/cleaner.js';
import { type ProtocolContext, type ProtocolSettings, stepMs } from './protocol/context.js';
import { FreedVotes } from './protocol/freed-votes.js';
import { giveBack } from './protocol/give-back.js';
import { Gatherer, idOf, waitKeyOf } from './protocol/gatherer.js';
import { HoldTable } from './protocol/hold-table.js';
import { forceReleaseName, inspectName } from './protocol/inspection.js';
import { listNames } from './protocol/listing.js';
import { RedlockMarks } from './protocol/marks.js';
import type { RedlockNode, WaitKey, WakeTarget } from './protocol/node.js';
import { NodeWatch } from './protocol/node-watch.js';
import { Relay, type Seeker } from './protocol/relay.js';
import { renewHolds } from './protocol/renewal.js';
import { quarantineMs } from './protocol/validity.js';
import { WaiterNotes } from './protocol/waiter-notes.js';
import { findingsOf } from './findings.js';
import { healthOf } from './node-health.js';
import { BACKEND, closedError, driversOf, tooLongTtl } from './redlock-error.js';

const BACKGROUND_MS = 2000;
const DRAIN_MS = 1000;

/** What the protocol needs of the world: in earnest ioredis and the system's clock, in the simulator neither. */
export interface RedlockParts {
  readonly settings: ProtocolSettings;
  readonly clock: Clock;
  /** Makes the nodes; each tells its wake-ups to the target of its index. */
  readonly connect: (targetOf: (node: number) => WakeTarget) => readonly RedlockNode[];
  /** 32 lower-case hex digits, fresh each time. */
  readonly newToken: () => string;
}

/** Locks on a majority of independent nodes: see the protocol folder for the steps. */
export class RedlockBackend implements LockBackend<bigint> {
  readonly contract = 1;
  readonly name = BACKEND;
  readonly capabilities: Capabilities = Object.freeze({
    fencing: true,
    semaphores: true,
    reportsLimits: true,
    maxPermits: 1_000,
    readWriteLocks: true,
    fair: false,
    push: true,
    marks: true,
    list: true,
    expiry: 'ttl',
  });
  readonly requestsExpire = true;
  readonly marks: RedlockMarks;
  readonly #context: ProtocolContext;
  readonly #wakeList: WakeList<WaitKey>;
  readonly #gatherer: Gatherer;
  readonly #relay: Relay;
  readonly #notes: WaiterNotes;
  #tellLost: (hold: HoldRef, reason: LostReason) => void = () => {};
  #tellLimit: (seen: DifferentLimit) => void = () => {};
  #highestToken = 0;
  #isClosed = false;

  constructor({ settings, clock, connect, newToken }: RedlockParts) {
    this.#wakeList = new WakeList((key) => this.#withdraw(key));
    this.#gatherer = new Gatherer(this.#wakeList, settings.quorum, clock);
    const nodes = connect((node) => ({ onWake: (wakeKey) => this.#onWake(node, wakeKey) }));
    const freedVotes = new FreedVotes(clock);
    this.#context = {
      nodes,
      settings,
      clock,
      holds: new HoldTable(clock),
      cleaner: new Cleaner(nodes, clock, settings.nodeTimeoutMs, freedVotes),
      freedVotes,
      watch: new NodeWatch(nodes),
      onLost: (hold) => this.#tellLost(hold, 'taken'),
      onLimitDiffers: (seen) => this.#tellLimit(seen),
    };
    this.#relay = new Relay(clock);
    this.#notes = new WaiterNotes(this.#context);
    this.marks = new RedlockMarks(this.#context, newToken, () => this.#refuseIfClosed());
  }

  get driver(): string | null {
    return driversOf(this.#context.nodes);
  }

  async attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<bigint>[]> {
    this.#refuseIfClosed();
    for (const { name, ttlMs } of requests) this.#refuseLongTtl(name, ttlMs);
    const find = (request: HoldRequest): WakeEntry<WaitKey> | undefined =>
      this.#wakeList.isEmpty ? undefined : this.#wakeList.find(idOf(waitKeyOf(request)));
    const entries = requests.map(find);
    for (const entry of entries) if (entry !== undefined) entry.isWoken = false;
    const isWaiting = (request: HoldRequest): boolean => find(request) !== undefined;
    const [request] = requests;
    const relayed = requests.length === 1 && request?.mode === 'permits' ? request : null;
    const passed = relayed === null ? null : this.#relay.take(relayed);
    if (passed !== null) return [passedOn(passed).answer];
    const attempt = new Attempt(this.#context, requests, isWaiting, call, this.#highestToken);
    const seeker: Seeker | null = relayed === null ? null : { request: relayed, take: (hold) => attempt.take(hold) };
    try {
      if (seeker !== null) {
        const rest = this.#relay.restOf(seeker.request.name);
        if (rest !== undefined) await rest;
        this.#relay.enter(seeker);
      }
      const results = await attempt.run();
      this.#highestToken = Math.max(this.#highestToken, attempt.highestToken);
      for (const [index, { answer, everywhere }] of results.entries()) {
        const entry = entries[index];
        if (entry !== undefined) this.#wakeList.answered(entry, answer.granted, !everywhere);
      }
      return results.map(({ answer }) => answer);
    } catch (error) {
      for (const entry of entries) if (entry !== undefined) this.#wakeList.answered(entry, false, true);
      throw error;
    } finally {
      if (seeker !== null) this.#relay.leave(seeker);
    }
  }

  /** Slots of a semaphore are known to who took them alone. */
  canAdopt(mode: HoldRequest['mode']): boolean {
    return mode !== 'permits';
  }

  async adopt(request: HoldRequest, fencingToken: FencingToken, call: CallContext): Promise<boolean> {
    this.#refuseIfClosed();
    return await adoptHold(this.#context, request, fencingToken, call);
  }

  async renew(holds: readonly (HoldRef & { readonly ttlMs: number })[], call: CallContext): Promise<readonly (boolean | null)[]> {
    this.#refuseIfClosed();
    for (const { name, ttlMs } of holds) this.#refuseLongTtl(name, ttlMs);
    return renewHolds(this.#context, holds, call);
  }

  async release(holds: readonly HoldRef[], call: CallContext): Promise<readonly ReleaseAnswer[]> {
    this.#refuseIfClosed();
    return giveBack(this.#context, this.#relay, holds, call);
  }

  onLost(listener: (hold: HoldRef, reason: LostReason) => void): void {
    this.#tellLost = listener;
  }

  onLimitDiffers(listener: (seen: DifferentLimit) => void): void {
    this.#tellLimit = listener;
  }

  onNodeChanged(listener: (health: NodeHealth) => void): void {
    this.#context.watch.onChange(listener);
  }

  subscribe(request: HoldRequest, wake: () => void): { close(): void } {
    const key = waitKeyOf(request);
    const { nodes } = this.#context;
    const topics = nodes.map((node, index) => `${index} ${node.wakeKey(key.name, key.mode)}`);
    const subscription = this.#wakeList.add(idOf(key), key, topics, wake);
    for (const node of nodes) node.listen();
    let isOpen = true;
    return {
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        subscription.close();
        for (const node of nodes) node.unlisten();
      },
    };
  }

  announce(request: HoldRequest, line: () => WaitLine): { close(): void } {
    return this.#notes.open(request, line);
  }

  async inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    this.#refuseIfClosed();
    return inspectName(this.#context, name, kind, call);
  }

  async forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean> {
    this.#refuseIfClosed();
    return forceReleaseName(this.#context, name, kind, call);
  }

  async *list(prefix: string, call: CallContext): AsyncIterable<LockState> {
    this.#refuseIfClosed();
    yield* listNames(this.#context, (name, kind) => this.inspect(name, kind, call), prefix, call);
  }

  /** Says how each node is; whether they suffice is for the lock that core takes and frees beside this to say. */
  async checkHealth(call: CallContext): Promise<readonly NodeHealth[]> {
    this.#refuseIfClosed();
    const { nodes, settings, watch } = this.#context;
    const healths = await healthOf(nodes, call.clock, stepMs(settings, call.timeoutMs), settings.maxTtlMs);
    watch.checked(healths);
    return healths;
  }

  async examine(call: CallContext): Promise<readonly Finding[]> {
    return findingsOf(await this.checkHealth(call));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { nodes, cleaner, clock } = this.#context;
    await within(clock, DRAIN_MS, this.#notes.close()).catch(() => {});
    await Promise.all(nodes.map((node) => node.drain(DRAIN_MS)));
    this.#gatherer.close();
    cleaner.close();
    for (const node of nodes) node.close();
  }

  /** @param wakeKey null: what the node published before may have been missed */
  #onWake(node: number, wakeKey: string | null): void {
    const entries = wakeKey === null ? this.#wakeList.entries : this.#wakeList.about(`${node} ${wakeKey}`);
    for (const entry of entries) this.#gatherer.heard(entry, node);
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw closedError();
  }

  #refuseLongTtl(name: string, ttlMs: number): void {
    const { maxTtlMs } = this.#context.settings;
    if (ttlMs > quarantineMs(maxTtlMs)) throw tooLongTtl(ttlMs, maxTtlMs, name);
  }

  /** In the background: what is lost of it costs the others one poll. */
  #withdraw(key: WaitKey): void {
    if (this.#isClosed) return;
    for (const node of this.#context.nodes) node.withdraw(key, BACKGROUND_MS).catch(() => {});
  }
}
