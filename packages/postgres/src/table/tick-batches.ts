import { type HoldRef, isLockError, type LockKind } from '@holdfast/core';
import { allOrWorst, groupBy, kindOf } from '@holdfast/core/backend';
import { sqlState } from '../postgres-error.js';

/** Carries out one statement for items of one kind, of which no two have one name. */
export type Step<T, A> = (kind: LockKind, items: readonly T[], timeoutMs: number) => Promise<readonly A[]>;

/** What one call asks for of one kind. */
interface Share<T, A> {
  readonly items: readonly T[];
  readonly resolve: (answers: readonly A[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Shares that may go together: a statement is of one kind, and is waited for equally long by all. */
interface Lane<T, A> {
  readonly kind: LockKind;
  readonly timeoutMs: number;
  readonly shares: readonly Share<T, A>[];
}

/** Collects what is asked for in the same turn of the event loop, so that it shares a statement. */
export class TickBatches<T extends HoldRef, A> {
  readonly #step: Step<T, A>;
  #lanes = new Map<string, Lane<T, A> & { readonly shares: Share<T, A>[] }>();

  constructor(step: Step<T, A>) {
    this.#step = step;
  }

  /** Answers in the order of the items; rejects, when all that was sent has been answered, with the failure that matters most. */
  ask(items: readonly T[], timeoutMs: number): Promise<readonly A[]> {
    return inGroups(
      items,
      ({ mode }) => kindOf(mode),
      (kind, own) => this.#share(kind, own, timeoutMs),
    );
  }

  #share(kind: LockKind, items: readonly T[], timeoutMs: number): Promise<readonly A[]> {
    return new Promise((resolve, reject) => {
      if (this.#lanes.size === 0) queueMicrotask(() => this.#flush());
      const key = `${kind} ${timeoutMs}`;
      const lane = this.#lanes.get(key) ?? { kind, timeoutMs, shares: [] };
      lane.shares.push({ items, resolve, reject });
      this.#lanes.set(key, lane);
    });
  }

  #flush(): void {
    const lanes = this.#lanes;
    this.#lanes = new Map();
    for (const lane of lanes.values()) void this.#send(lane);
  }

  /** Never rejects. */
  async #send({ kind, timeoutMs, shares }: Lane<T, A>): Promise<void> {
    try {
      const answers = await this.#perName(
        kind,
        shares.flatMap(({ items }) => items),
        timeoutMs,
      );
      let from = 0;
      for (const { items, resolve } of shares) {
        resolve(answers.slice(from, from + items.length));
        from += items.length;
      }
    } catch (error) {
      // The reason may lie with one name: what others asked for must not fail with it.
      if (shares.length > 1 && isRefusal(error)) for (const share of shares) void this.#send({ kind, timeoutMs, shares: [share] });
      else for (const { reject } of shares) reject(error);
    }
  }

  /** No statement touches a row twice: of two requests for one name the second would be lost there. */
  #perName(kind: LockKind, items: readonly T[], timeoutMs: number): Promise<readonly A[]> {
    const seen = new Map<string, number>();
    const roundOf = ({ name }: T): number => {
      const round = seen.get(name) ?? 0;
      seen.set(name, round + 1);
      return round;
    };
    return inGroups(items, roundOf, (_, batch) => this.#step(kind, batch, timeoutMs));
  }
}

/** Asks for each group of the items by itself; the answers in the order of the items. */
async function inGroups<T, K, A>(
  items: readonly T[],
  groupOf: (item: T) => K,
  ask: (group: K, items: readonly T[]) => Promise<readonly A[]>,
): Promise<readonly A[]> {
  const answers: A[] = [];
  await allOrWorst(
    Array.from(
      groupBy(items.entries(), ([, item]) => groupOf(item)),
      async ([group, own]) => {
        const given = await ask(
          group,
          own.map(([, item]) => item),
        );
        for (const [place, [index]] of own.entries()) answers[index] = given[place] as A;
      },
    ),
  );
  return answers;
}

/** Whether it was answered, so that nothing of the statement was carried out, or was never sent because of what it says. */
function isRefusal(error: unknown): boolean {
  return sqlState(error) !== null || (isLockError(error) && !(error.code === 'LOCK_BACKEND_UNAVAILABLE' && error.retryable));
}
