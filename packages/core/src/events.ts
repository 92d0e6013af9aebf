import { type Channel, channel } from 'node:diagnostics_channel';
import type { HoldLifeEvent, LimitDiffersEvent, LockEvent, LockEventType, NodeChangedEvent, StoreCallEvent } from './contract/events.js';
import type { HoldPlan } from './hold/hold-plan.js';
import { withToJSON } from './json.js';

/** Calls to the store: for no `onEvent`. */
export const callChannel: Channel = channel('holdfast:store-call');

const channels: Readonly<Record<LockEventType, Channel>> = {
  waiting: channel('holdfast:waiting'),
  granted: channel('holdfast:granted'),
  'not-granted': channel('holdfast:not-granted'),
  renewed: channel('holdfast:renewed'),
  'renew-failed': channel('holdfast:renew-failed'),
  lost: channel('holdfast:lost'),
  released: channel('holdfast:released'),
  'release-failed': channel('holdfast:release-failed'),
  'node-changed': channel('holdfast:node-changed'),
  'limit-differs': channel('holdfast:limit-differs'),
};

/** Those who hear events of one type: an event is built only where there is somebody. */
interface Audience {
  readonly hasSubscribers: boolean;
}

/** With `onEvent` somebody hears everything. */
const somebody: Audience = { hasSubscribers: true };
const heardAll = Object.fromEntries(Object.keys(channels).map((type) => [type, somebody])) as Record<LockEventType, Audience>;

type Added = 'at' | 'backend' | 'managerId' | 'requestId' | 'kind' | 'name' | 'label' | 'mode' | 'permits' | 'contended';
type Draft<E> = E extends unknown ? Omit<E, Added> : never;

/** An event as its place of origin knows it. Whose it is, and when, is added here. */
export type HoldEventDraft = Draft<HoldLifeEvent>;
export type NodeChangedDraft = Draft<NodeChangedEvent>;
export type LimitDiffersDraft = Omit<LimitDiffersEvent, 'at' | 'backend' | 'managerId'>;
export type StoreCallDraft = Draft<StoreCallEvent>;

/** Tells the observers of one manager. What they throw or reject never reaches a lease. */
export class EventSource {
  readonly managerId: string;
  /** Who listens, by type. */
  readonly heard: Readonly<Record<LockEventType, Audience>>;
  readonly #backend: string;
  readonly #onEvent: ((event: LockEvent) => unknown) | null;
  readonly #wall: () => number;

  constructor(backend: string, managerId: string, onEvent: ((event: LockEvent) => unknown) | undefined, wall: () => number) {
    this.#backend = backend;
    this.managerId = managerId;
    this.#onEvent = onEvent ?? null;
    this.heard = onEvent === undefined ? channels : heardAll;
    this.#wall = wall;
  }

  /** What happened to the request of this plan, or to its hold. */
  emit(plan: HoldPlan, draft: HoldEventDraft): void {
    if (!this.heard[draft.type].hasSubscribers) return;
    const { kind, name, label, mode, permits, wasContended: contended } = plan;
    this.#publish(draft.type, { ...draft, requestId: requestIdOf(this.managerId, plan), kind, name, label, mode, permits, contended });
  }

  emitNode(draft: NodeChangedDraft): void {
    if (this.heard[draft.type].hasSubscribers) this.#publish(draft.type, { ...draft, kind: null, name: null, label: null });
  }

  emitLimit(draft: LimitDiffersDraft): void {
    if (this.heard[draft.type].hasSubscribers) this.#publish(draft.type, draft);
  }

  emitCall(draft: StoreCallDraft): void {
    const event = this.#finish({ ...draft, kind: null, name: null, label: null });
    publish(callChannel, event);
  }

  #publish(type: LockEventType, told: object): void {
    const event = this.#finish(told) as LockEvent;
    if (this.#onEvent !== null) tell(this.#onEvent, event);
    publish(channels[type], event);
  }

  #finish(told: object): object {
    return withToJSON({ ...told, backend: this.#backend, managerId: this.managerId, at: this.#wall() });
  }
}

/** Unique in the process. */
export function requestIdOf(managerId: string, { requestNo }: HoldPlan): string {
  return `${managerId}-${requestNo}`;
}

/**
 * Gives an event to `onEvent` and to every subscriber of its channel, with a `toJSON` for its bigints. What an observer throws or rejects is
 * swallowed. For what is built on a manager and has events of its own.
 */
export function publishEvent<E extends object>(target: Channel, draft: E, onEvent?: ((event: E) => unknown) | null): void {
  const event = withToJSON(draft);
  if (onEvent) tell(onEvent, event);
  publish(target, event);
}

/**
 * `Channel.publish` turns what a subscriber throws into an uncaught exception, and leaves a rejection unhandled: an
 * observer's mistake would end the process that holds the lock. So the subscribers are called one by one where Node
 * shows them (an array since 15.1), and by `publish` where it does not.
 */
export function publish(target: Channel, event: object): void {
  if (!target.hasSubscribers) return;
  const subscribers: unknown = (target as { _subscribers?: unknown })._subscribers;
  if (!Array.isArray(subscribers)) {
    target.publish(event);
    return;
  }
  // A copy: an observer may unsubscribe while it is notified.
  for (const subscriber of (subscribers as readonly unknown[]).slice()) {
    if (isSubscriber(subscriber)) tell((e) => subscriber(e, target.name), event);
  }
}

function tell<E>(observer: (event: E) => unknown, event: E): void {
  try {
    const answer = observer(event);
    if (isThenable(answer)) answer.then(undefined, () => {});
  } catch {
    // An observer must not be able to hurt a lease.
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function isSubscriber(value: unknown): value is (event: unknown, channel: string | symbol) => unknown {
  return typeof value === 'function';
}
