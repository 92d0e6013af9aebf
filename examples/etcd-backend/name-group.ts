import type { HolderState, HoldRequest } from '@holdfast/core';
import type { Reply } from './gateway.js';
import { holderOf, holdKey, holdsOf, holdValue, isOf, kindOf, writersOf } from './keys.js';

type Response = NonNullable<Reply['responses']>[number];

/** In one transaction, and inside each of its own transactions: etcd allows 128 operations for both together. */
const MOST_GROUPS = 60;
const MOST_REQUESTS = 60;

/** Requests for one name that are answered one after the other, in as few steps as there can be. */
export class NameGroup {
  /** Those without an answer. */
  readonly #open: HoldRequest[] = [];
  /** Those that the present step asks for. */
  #asked: readonly HoldRequest[] = [];
  /** What stands below the name at `#revision`. Before the first look: that nothing does, which is right for most names. */
  #holders: readonly HolderState[] = [];
  #hasWriter = false;
  #revision = 0n;

  static of(requests: readonly HoldRequest[]): readonly NameGroup[] {
    const groups = new Map<string, NameGroup>();
    for (const request of requests) {
      const id = `${kindOf(request.mode)} ${request.name}`;
      const group = groups.get(id) ?? new NameGroup();
      groups.set(id, group);
      group.#open.push(request);
    }
    return [...groups.values()];
  }

  /** What one transaction takes of them. */
  static parts(groups: readonly NameGroup[]): readonly (readonly NameGroup[])[] {
    return Array.from({ length: Math.ceil(groups.length / MOST_GROUPS) }, (_, i) => groups.slice(i * MOST_GROUPS, (i + 1) * MOST_GROUPS));
  }

  get isAnswered(): boolean {
    return this.#open.length === 0;
  }

  /** Those that do not fit beside the holders: they are answered with that. */
  takeBusy(): readonly HoldRequest[] {
    return this.#settle((request) => !fits(request, this.#holders, this.#hasWriter));
  }

  /** Adds as many holds as fit if nobody has added one since the last look; else says what is there. */
  transaction(lease: string): object {
    const [first, ...others] = this.#open;
    if (first === undefined) throw new RangeError('nothing is asked for');
    const asked = [first];
    const holders = [...this.#holders, asHolder(first)];
    for (const request of others) {
      if (asked.length === MOST_REQUESTS || !fits(request, holders, this.#hasWriter)) break;
      asked.push(request);
      holders.push(asHolder(request));
    }
    this.#asked = asked;
    const kind = kindOf(first.mode);
    const [holds, writers] = [holdsOf(kind, first.name), writersOf(first.name)];
    const isReading = asked.some(({ mode }) => mode === 'read');
    return {
      compare: [
        { ...holds, target: 'MOD', result: 'LESS', mod_revision: String(this.#revision + 1n) },
        ...(isReading ? [{ ...writers, target: 'CREATE', result: 'EQUAL', create_revision: '0' }] : []),
      ],
      success: asked.map((request) => ({
        request_put: { key: holdKey(kind, request.name, request.owner), value: holdValue(request), lease },
      })),
      failure: [{ request_range: holds }, { request_range: { ...writers, limit: 1 } }],
    };
  }

  /** @returns the requests that are granted, each with the revision that granted it */
  learn({ succeeded, responses = [] }: Reply, revision: bigint): ReadonlyMap<HoldRequest, bigint> {
    const granted = new Map<HoldRequest, bigint>();
    this.#revision = revision;
    if (succeeded === true) {
      this.#holders = [...this.#holders, ...this.#asked.map(asHolder)];
      for (const request of this.#asked) granted.set(request, revision);
    } else {
      const [holds, writers] = responses.map(keysOf);
      this.#holders = (holds ?? []).map(holderOf);
      this.#hasWriter = writers !== undefined && writers.length > 0;
      // Asked twice, the same request is the same hold.
      for (const request of this.#open) {
        const own = holds?.find(({ key }) => isOf(key, request.owner));
        if (own !== undefined) granted.set(request, BigInt(own.create_revision));
      }
    }
    this.#settle((request) => granted.has(request));
    return granted;
  }

  #settle(isSettled: (request: HoldRequest) => boolean): readonly HoldRequest[] {
    const settled = this.#open.filter(isSettled);
    this.#open.splice(0, Number.POSITIVE_INFINITY, ...this.#open.filter((request) => !settled.includes(request)));
    return settled;
  }
}

function keysOf({ response_range }: Response): NonNullable<Reply['kvs']> {
  return response_range?.kvs ?? [];
}

function asHolder({ mode, label, ...request }: HoldRequest): HolderState {
  return { mode, label, permits: 'permits' in request ? request.permits : 1, remainingMs: null, fencingToken: null };
}

function fits(request: HoldRequest, holders: readonly HolderState[], hasWriter: boolean): boolean {
  switch (request.mode) {
    case 'exclusive':
    case 'write':
      return holders.length === 0;
    case 'read':
      return !hasWriter && holders.every(({ mode }) => mode === 'read');
    case 'permits':
      if (holders.some(({ mode }) => mode !== 'permits')) return false;
      return holders.reduce((sum, { permits }) => sum + permits, 0) + request.permits <= request.limit;
    default:
      return request satisfies never;
  }
}
