import type { HoldRequest } from '@holdfast/core';
import { type Limits, type Gateway, unavailable } from './gateway.js';
import { within } from '@holdfast/core/backend';
import { everything, kindOf, nameOf } from './keys.js';

/** Between two tries to watch. */
const PAUSE_MS = 500;

interface Waiter {
  readonly request: HoldRequest;
  readonly wake: () => void;
}

/**
 * Wakes those who wait when etcd says that a key of their name is gone: freed by anybody, or ended with its lease. One watch serves all
 * names of this client, and stands while somebody waits. etcd sends every deletion below our root to it: with thousands of releases a
 * second a watch for each name would be better.
 */
export class FreedWatch {
  readonly #gateway: Gateway;
  readonly #waiters = new Set<Waiter>();
  #stream: { close(): void } | null = null;
  #created: Promise<void> | null = null;
  #retry: NodeJS.Timeout | undefined;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  open(request: HoldRequest, wake: () => void): { close(): void } {
    const waiter: Waiter = { request, wake };
    this.#waiters.add(waiter);
    if (this.#stream === null && this.#retry === undefined) this.#start();
    return {
      close: () => {
        this.#waiters.delete(waiter);
        if (this.#waiters.size === 0) this.close();
      },
    };
  }

  /** Whether somebody waits for the same: an attempt is then one that will wait. */
  isOpen({ name, mode }: HoldRequest): boolean {
    return [...this.#waiters].some(({ request }) => request.name === name && request.mode === mode);
  }

  /** From now on nothing is missed, or the next watch wakes everybody when it begins. */
  async ready({ clock, timeoutMs }: Limits): Promise<void> {
    if (this.#created === null) return;
    await within(clock, timeoutMs, this.#created).catch((error: unknown) => {
      throw unavailable(error, { wasSent: false });
    });
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#stream?.close();
    this.#stream = null;
    this.#created = null;
  }

  #start(): void {
    let created = (): void => {};
    this.#created = new Promise((resolve) => {
      created = resolve;
    });
    const stream = this.#gateway.stream(
      'watch',
      { create_request: { ...everything, filters: ['NOPUT'] } },
      ({ result }) => {
        if (result?.created === true) {
          created();
          this.#wake(() => true);
        }
        for (const { kv } of result?.events ?? []) {
          const freed = nameOf(kv?.key ?? '');
          if (freed !== null) this.#wake(({ name, mode }) => name === freed.name && kindOf(mode) === freed.kind);
        }
      },
      () => {
        created();
        if (this.#stream !== stream) return;
        this.close();
        if (this.#waiters.size === 0) return;
        this.#retry = setTimeout(() => {
          this.#retry = undefined;
          if (this.#waiters.size > 0) this.#start();
        }, PAUSE_MS).unref();
      },
    );
    this.#stream = stream;
  }

  #wake(isMeant: (request: HoldRequest) => boolean): void {
    for (const { request, wake } of this.#waiters) if (isMeant(request)) wake();
  }
}
