import { type Channel, channel } from 'node:diagnostics_channel';
import type { LockEvent, LockEventType } from './contract/events.js';
import { withToJSON } from './json.js';

const channels: Readonly<Record<LockEventType, Channel>> = {
  waiting: channel('holdfast:waiting'),
  granted: channel('holdfast:granted'),
  'not-granted': channel('holdfast:not-granted'),
  'renew-failed': channel('holdfast:renew-failed'),
  lost: channel('holdfast:lost'),
  released: channel('holdfast:released'),
  'release-failed': channel('holdfast:release-failed'),
};

/** An event as its place of origin knows it; `at` and the backend's name are added here. */
export type EventDraft = LockEvent extends infer E ? (E extends LockEvent ? Omit<E, 'at' | 'backend'> : never) : never;

/** Tells the observers of one manager. What they throw or reject never reaches a lease. */
export class EventSource {
  readonly #backend: string;
  readonly #onEvent: ((event: LockEvent) => unknown) | null;
  readonly #wall: () => number;

  constructor(backend: string, onEvent: ((event: LockEvent) => unknown) | undefined, wall: () => number) {
    this.#backend = backend;
    this.#onEvent = onEvent ?? null;
    this.#wall = wall;
  }

  /** Whether anybody listens: events are built only then. */
  has(type: LockEventType): boolean {
    return this.#onEvent !== null || channels[type].hasSubscribers;
  }

  emit(draft: EventDraft): void {
    if (!this.has(draft.type)) return;
    publishEvent(channels[draft.type], { ...draft, backend: this.#backend, at: this.#wall() }, this.#onEvent);
  }
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
function publish(target: Channel, event: object): void {
  if (!target.hasSubscribers) return;
  const subscribers: unknown = (target as { _subscribers?: unknown })._subscribers;
  if (!Array.isArray(subscribers)) {
    target.publish(event);
    return;
  }
  // A copy: an observer may unsubscribe while it is told.
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
