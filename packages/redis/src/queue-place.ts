import { randomBytes } from 'node:crypto';
import type { CallContext, HoldRequest, Stamp } from '@holdfast/core';
import { shorten } from './hold-commands.js';
import { letterOf, type ModeLetter, type NameKeys } from './key-space.js';

/** What the head of the queue was granted while it waited: its token, and which sign of life its time counts from. */
export interface PushedGrant {
  readonly fencingToken: bigint;
  readonly stamp: Stamp;
}

/** One waiter in the queue of a name: it keeps its place until it is granted or leaves. */
export class QueuePlace {
  readonly request: HoldRequest;
  readonly mode: ModeLetter;
  readonly keys: NameKeys;
  /** What a message calls it: 64 random bits, used once, that free nothing. */
  readonly ticket = randomBytes(8).toString('hex');
  /** The place on the server. */
  readonly member: string;
  readonly call: CallContext;
  /** Its position on the server, kept so that it can be taken again. '' before the first answer. */
  score = '';
  /** Whether anything of it may have left this process: then something of it may stand on the server. */
  isSent = false;
  /** It has just come, its turn has come, or its place was lost. */
  #mustAsk = true;
  #pushed: PushedGrant | null = null;
  #onPushed: ((grant: PushedGrant) => void) | null = null;
  #isEnded = false;
  #reason: unknown = null;
  #next: (() => void) | null = null;

  constructor(request: HoldRequest, keys: NameKeys, managerId: string, call: CallContext) {
    this.request = request;
    this.mode = letterOf[request.mode];
    this.keys = keys;
    this.call = call;
    const [permits, limit] = request.mode === 'permits' ? [request.permits, request.limit] : [1, 1];
    const label = shorten(request.label);
    this.member = `${request.owner}:${this.ticket}:${managerId}:${this.mode}:${permits}:${limit}:${label}`;
  }

  /** Resolves when it has to ask, with null, or when it was granted by a message. @throws what ended the wait */
  async turn(): Promise<PushedGrant | null> {
    while (!this.#mustAsk && !this.#isEnded && this.#pushed === null) {
      await new Promise<void>((resolve) => {
        this.#next = resolve;
      });
    }
    this.throwIfEnded();
    this.#mustAsk = false;
    return this.#pushed;
  }

  throwIfEnded(): void {
    if (this.#isEnded) throw this.#reason;
  }

  ask(): void {
    this.#mustAsk = true;
    this.#next?.();
  }

  /** A message says that it was granted. */
  push(grant: PushedGrant): void {
    this.#pushed = grant;
    this.#onPushed?.(grant);
    this.#next?.();
  }

  /** What comes first: the answer to a request, or a message that it was granted. */
  async unlessPushed<T>(asked: Promise<T>): Promise<T | PushedGrant> {
    if (this.#pushed !== null) return this.#pushed;
    const pushed = new Promise<PushedGrant>((resolve) => {
      this.#onPushed = resolve;
    });
    return Promise.race([asked, pushed]);
  }

  /** Ends the wait; the first reason stays. */
  end(reason: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#reason = reason;
    this.#next?.();
  }
}
