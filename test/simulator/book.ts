import { type Answer, type HoldRequest, isLockError, type Lease, type LockState } from '@holdfast/core';
import { Violation, type World } from '@holdfast/test/simulation';
import type { SimulatedClient } from './client.js';
import type { History } from './history.js';
import type { Rule } from './mutant.js';
import type { BackendObserver } from './observed-backend.js';
import { type CallPlan, keyOf, kindOfMode, LIMIT, type Target } from './scenario.js';
import type { SimulatedStore } from './store.js';

/** A remaining time is reported in whole milliseconds, rounded down, and a timer may be late by one. */
const ROUNDING_MS = 2.5;

/** A lease in the hands of its caller. */
export interface Held {
  readonly client: SimulatedClient;
  readonly call: CallPlan;
  readonly target: Target;
  readonly key: string;
  readonly lease: Lease;
  /** The owner token, as far as it is known whose grant it is. */
  readonly owner: string;
  /** The deadline, on both of the client's clocks. */
  until: { now: number; wall: number };
  /** Its signal has aborted. */
  isLost: boolean;
  /** Its caller has given it back. */
  isReleased: boolean;
}

/** What one manager has heard of one name. */
interface Said {
  /** When it was answered last, or had it itself. */
  answeredAt: number;
  /** Its last request was not answered. */
  hasFailed: boolean;
  /** Which of all requests was the last that was answered. */
  answered: number;
  /** Owners that it was granted and has not released. */
  readonly own: Set<string>;
}

/** What every caller has heard and believes, and what the store has of it. */
export class Book implements BackendObserver {
  readonly #world: World;
  readonly #store: () => SimulatedStore;
  readonly #history: History;
  readonly #held = new Set<Held>();
  /** Of every owner its call and what it asked for. */
  readonly #owners = new Map<
    string,
    { readonly client: SimulatedClient; readonly id: string; readonly key: string; readonly number: number }
  >();
  readonly #busy = new Set<string>();
  readonly #granted = new Map<string, string>();
  readonly #freed = new Set<string>();
  /** Whose release arrived twice: the second is answered, and finds nothing. */
  readonly #repeated = new Set<string>();
  readonly #forced = new Set<string>();
  /** When each call has sent the last of its own requests. */
  readonly #asked = new Map<string, number>();
  /** What the store said last to each client of each name. */
  readonly #said = new Map<string, Said>();
  /** What callers had whose process was killed. */
  readonly #orphans = new Set<string>();
  readonly #tokens = new Map<
    string,
    { readonly token: bigint; readonly mode: Target['mode']; readonly grantedAt: number; readonly isForced: () => boolean }[]
  >();
  #seenVersion = -1;
  violation: Violation | null = null;
  grants = 0;

  constructor(world: World, store: () => SimulatedStore, history: History) {
    this.#world = world;
    this.#store = store;
    this.#history = history;
  }

  /** Whether a caller still has something. */
  get hasHeld(): boolean {
    return this.#held.size > 0;
  }

  /** The first violation stands: what follows it may only follow from it. */
  complain(rule: Rule, message: string): void {
    if (this.violation !== null) return;
    this.violation = new Violation(rule, message);
    this.#history.add('BROKEN', () => `${rule}: ${message}`);
  }

  // --- what a backend says to a manager

  asked(client: SimulatedClient, request: HoldRequest): void {
    const kind = kindOfMode(request.mode);
    const id = idOf(request.label, kind, request.name);
    this.#owners.set(request.owner, { client, id, key: keyOf({ kind, name: request.name }), number: this.#owners.size + 1 });
    this.#asked.set(id, this.#world.now);
  }

  answered(client: SimulatedClient, request: HoldRequest, answer: Answer<bigint>): void {
    const kind = kindOfMode(request.mode);
    const id = idOf(request.label, kind, request.name);
    this.#history.add(
      client.name,
      () =>
        `${request.label}: is answered ${answer.granted ? `granted ${answer.fencingToken}` : 'busy'} for ${kind} ${request.name} as ${this.#history.nameOf(request.owner)}`,
    );
    this.#heard(client, request);
    if (answer.granted) {
      this.#sayOf(client, keyOf({ kind, name: request.name })).own.add(request.owner);
      this.#granted.set(id, request.owner);
      this.#granted.set(`${keyOf({ kind, name: request.name })} ${answer.fencingToken}`, request.owner);
    }
    if (!answer.granted) this.#busy.add(id);
  }

  queued(client: SimulatedClient, request: HoldRequest): void {
    const kind = kindOfMode(request.mode);
    this.#history.add(client.name, () => `${request.label}: stands in the queue of ${kind} ${request.name}`);
    this.#heard(client, request);
    this.#busy.add(idOf(request.label, kind, request.name));
  }

  failed(client: SimulatedClient, request: HoldRequest, error: unknown): void {
    const asked = this.#owners.get(request.owner);
    if (asked === undefined || !isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) return;
    const said = this.#sayOf(client, asked.key);
    if (asked.number > said.answered) said.hasFailed = true;
    this.#history.add(client.name, () => `${request.label}: a request for ${request.name} fails: ${messageOf(error)}`);
  }

  inspected(client: SimulatedClient, { kind, name, held, holders }: LockState): void {
    this.#history.add(client.name, () => `${kind} ${name}: a look finds ${holders.map(({ label }) => label).join() || 'nobody'}`);
    // The one who is seen to have it is in front; that nobody is seen says nothing of a request that is on its way.
    if (held) this.#sayOf(client, keyOf({ kind, name })).answeredAt = this.#world.now;
  }

  renewed(client: SimulatedClient, owner: string, stands: boolean | null): void {
    this.#history.add(client.name, () => `${this.#owners.get(owner)?.id ?? owner}: a renewal is answered ${stands}`);
  }

  releasing(client: SimulatedClient, owner: string): void {
    const key = this.#owners.get(owner)?.key;
    if (key !== undefined) this.#sayOf(client, key).own.delete(owner);
  }

  released(client: SimulatedClient, owner: string, answer: boolean): void {
    this.#history.add(client.name, () => `${this.#owners.get(owner)?.id ?? owner}: a release is answered ${answer}`);
  }

  // --- what the store does

  freed(owner: string): void {
    this.#freed.add(owner);
  }

  repeated(owner: string): void {
    this.#repeated.add(owner);
  }

  forced(target: Target, labels: readonly string[]): void {
    this.#history.add('operator', () => `frees ${keyOf(target)}, held by ${labels.join() || 'nobody'}`);
    for (const label of labels) this.#forced.add(idOf(label, target.kind, target.name));
  }

  // --- what callers have

  /** A caller has been given a lease. */
  hold(client: SimulatedClient, call: CallPlan, target: Target, lease: Lease): Held {
    const { clock } = client.machine;
    const leftMs = lease.remainingMs;
    const held: Held = {
      client,
      call,
      target,
      key: keyOf(target),
      lease,
      owner:
        this.#granted.get(
          lease.fencingToken === null ? idOf(call.label, target.kind, target.name) : `${keyOf(target)} ${lease.fencingToken}`,
        ) ?? '',
      until: { now: clock.now() + leftMs, wall: clock.wall() + leftMs },
      isLost: lease.signal.aborted,
      isReleased: false,
    };
    this.grants += 1;
    this.#history.add(client.name, () => `${call.label}: HAS ${textOf(target)}, token ${lease.fencingToken}, for ${leftMs} ms`);
    if (client.isClosed && lease.isHeld) this.complain('I6', `${show(held)} was granted by a manager that was closed`);
    lease.signal.addEventListener('abort', () => this.#lost(held));
    if (held.isLost) return held;
    this.#checkExclusion(held);
    this.#checkToken(held);
    this.#held.add(held);
    this.#seenVersion = -1;
    return held;
  }

  /** A caller is about to release it. */
  release(held: Held): void {
    // What its deadline has ended unnoticed is lost, and is so before it is released.
    if (!held.lease.isHeld) return;
    held.isReleased = true;
    this.#held.delete(held);
    this.#sayOf(held.client, held.key).answeredAt = this.#world.now;
    this.#history.add(held.client.name, () => `${held.call.label}: RELEASES ${textOf(held.target)}`);
  }

  /** How a release was answered that was asked for while the lease stood, or was lost. */
  releaseAnswered(held: Held, wasLost: boolean, answer: boolean): void {
    const { owner } = held;
    const wasFreed = this.#freed.has(owner);
    if (answer && !wasFreed) this.complain('I10', `the release of ${show(held)} was answered true, and the store has freed nothing of it`);
    if (!answer && !wasLost && wasFreed && !this.#repeated.has(owner))
      this.complain('I10', `the release of ${show(held)} was answered false, and has freed it`);
  }

  /** Whether the store has said to this very call that others are in front. */
  wasRefused(label: string, target: Target): boolean {
    return this.#busy.has(idOf(label, target.kind, target.name));
  }

  /** When the call has asked last for it; -Infinity: never. */
  askedAt(label: string, target: Target): number {
    return this.#asked.get(idOf(label, target.kind, target.name)) ?? Number.NEGATIVE_INFINITY;
  }

  /** Whether a wait may say that its time ran out while others had it. */
  wasHeard(client: SimulatedClient, label: string, target: Target, since: number): boolean {
    if (this.wasRefused(label, target)) return true;
    const said = this.#said.get(`${client.number} ${keyOf(target)}`);
    if (said === undefined) return false;
    // What a manager holds itself it need not ask for.
    if (said.own.size > 0 || said.answeredAt >= since) return true;
    // Those who stand behind others of their manager share what it heard last.
    return !this.#asked.has(idOf(label, target.kind, target.name)) && !said.hasFailed;
  }

  /** Whether the caller had it when its process was killed. */
  wasHadAtDeath(label: string, target: Target): boolean {
    return this.#orphans.has(idOf(label, target.kind, target.name));
  }

  /** To be called when everything has settled that one event has led to. */
  look(): void {
    for (const held of this.#held) this.#follow(held);
    const store = this.#store();
    if (store.version === this.#seenVersion) return;
    this.#seenVersion = store.version;
    for (const held of this.#held) this.#checkStore(held);
  }

  // --- invariants

  /** The rest of a lease, in milliseconds of its client's clocks; not more than 0: its deadline has passed. */
  #left({ client, until }: Held): number {
    const { clock } = client.machine;
    return Math.min(until.now - clock.now(), until.wall - clock.wall());
  }

  #believes(held: Held): boolean {
    return !held.isLost && !held.client.machine.isDead && this.#left(held) > 0;
  }

  /** Reads the deadline anew while it has certainly not passed, so that the look itself does not end anything. */
  #follow(held: Held): void {
    const { client, lease } = held;
    const { machine } = client;
    if (machine.isDead) this.#orphans.add(idOf(held.call.label, held.target.kind, held.target.name));
    if (machine.isDead || held.isLost) {
      this.#held.delete(held);
      return;
    }
    const leftMs = this.#left(held);
    // In the last millisecond it may have been moved since.
    if (leftMs > 0 || (leftMs > -1 && !machine.isPaused)) {
      const { clock } = machine;
      const now = lease.remainingMs;
      if (now - leftMs > 1) {
        held.until = { now: clock.now() + now, wall: clock.wall() + now };
        this.#seenVersion = -1;
      }
      return;
    }
    // No timer notices that the wall clock was set ahead; a look at the lease does.
    if (client.plan.faults.some(({ what, ms }) => what === 'jump' && ms > 0)) return;
    const overMs = machine.clock.now() - held.until.now;
    const standsSince = this.#world.now - machine.pausedUntil;
    if (overMs > ROUNDING_MS && !machine.isPaused && standsSince > ROUNDING_MS) {
      this.complain('I7', `${show(held)} passed its deadline ${overMs.toFixed(1)} ms ago, and its signal has not aborted`);
    }
  }

  #lost(held: Held): void {
    held.isLost = true;
    this.#held.delete(held);
    this.#sayOf(held.client, held.key).answeredAt = this.#world.now;
    const { reason } = held.lease.signal as { reason: unknown };
    this.#history.add(held.client.name, () => `${held.call.label}: LOSES ${textOf(held.target)}: ${messageOf(reason)}`);
    if (held.isReleased) this.complain('I7', `the signal of ${show(held)} aborted after its release`);
    if (!isLockError(reason, 'LOCK_LOST')) this.complain('I7', `the signal of ${show(held)} aborted with ${messageOf(reason)}`);
    if (held.lease.isHeld) this.complain('I7', `${show(held)} is held although its signal has aborted`);
  }

  #checkExclusion(held: Held): void {
    if (this.#isForced(held)) return;
    const beside = [...this.#held].filter((other) => other.key === held.key && this.#believes(other) && !this.#isForced(other));
    if (held.target.mode === 'permits') {
      const out = beside.reduce((sum, { target }) => sum + target.permits, held.target.permits);
      if (out > LIMIT) this.complain('I1', `${out} of ${LIMIT} permits are out: ${[...beside, held].map(show).join(', ')}`);
      return;
    }
    const other = beside.find(({ target }) => target.mode !== 'read' || held.target.mode !== 'read');
    if (other !== undefined) this.complain('I1', `${show(held)} beside ${show(other)}`);
  }

  /** Tokens rise in the order of the grants; where an operator has freed a name, in that of what came after what had ended. */
  #checkToken(held: Held): void {
    const { mode } = held.target;
    const token = held.lease.fencingToken;
    if (mode === 'permits' || token === null) return;
    const before = this.#tokens.get(held.key) ?? [];
    this.#tokens.set(held.key, before);
    const isForced = (): boolean => this.#isForced(held);
    for (const other of before) {
      if (mode === 'read' && other.mode === 'read') continue;
      if (token > other.token || isForced() || other.isForced()) continue;
      this.complain('I3', `${show(held)} came after a grant with token ${other.token}`);
    }
    before.push({ token, mode, grantedAt: this.#world.now, isForced });
  }

  #checkStore(held: Held): void {
    if (!this.#believes(held) || this.#isForced(held)) return;
    const { target, call, lease, client } = held;
    const leftMs = this.#left(held) / client.machine.rate;
    const kept = this.#store()
      .holds(target)
      .filter(
        ({ label, token, mode }) => label === call.label && mode === target.mode && (mode === 'permits' || token === lease.fencingToken),
      );
    const longest = kept.reduce((most, { forMs }) => Math.max(most, forMs), 0);
    if (longest >= leftMs - ROUNDING_MS) return;
    const { lastReleased } = this.#store();
    if (longest === 0 && lastReleased.length > 0 && !lastReleased.includes(held.owner)) {
      this.complain(
        'I8',
        `${show(held)} was freed by the release of another: ${lastReleased.map((owner) => this.#owners.get(owner)?.id ?? owner).join()}`,
      );
      return;
    }
    this.complain('I2', `${show(held)} is believed in for ${leftMs.toFixed(0)} ms, and the store keeps it for ${longest.toFixed(0)}`);
  }

  #heard(client: SimulatedClient, { owner }: HoldRequest): void {
    const asked = this.#owners.get(owner);
    if (asked === undefined) return;
    const said = this.#sayOf(client, asked.key);
    said.answeredAt = this.#world.now;
    said.answered = Math.max(said.answered, asked.number);
    said.hasFailed = false;
  }

  #sayOf(client: SimulatedClient, key: string): Said {
    const id = `${client.number} ${key}`;
    let said = this.#said.get(id);
    if (said === undefined) {
      said = { answeredAt: Number.NEGATIVE_INFINITY, hasFailed: false, answered: 0, own: new Set() };
      this.#said.set(id, said);
    }
    return said;
  }

  #isForced({ call, target }: Held): boolean {
    return this.#forced.has(idOf(call.label, target.kind, target.name));
  }
}

function idOf(label: string, kind: Target['kind'], name: string): string {
  return `${label} ${kind} ${name}`;
}

export function textOf({ kind, name, mode, permits }: Target): string {
  return mode === 'exclusive' ? `${kind} ${name}` : `${kind} ${name} (${mode === 'permits' ? permits : mode})`;
}

function show({ call, target, lease }: Held): string {
  return `[${call.label} ${textOf(target)}${lease.fencingToken === null ? '' : `, token ${lease.fencingToken}`}]`;
}

export function messageOf(error: unknown): string {
  return isLockError(error) ? `${error.code} (${error.message})` : String(error);
}
