import { Redis } from 'ioredis';

/** What a message says. The same payment may be announced twice: the one who announced it got no answer the first time. */
export interface Payment {
  readonly payment: string;
  readonly account: string;
  readonly amount: number;
}

/** A payment and its place in the stream. */
export interface Delivery extends Payment {
  readonly id: string;
}

/** After so long without an acknowledgement a message is taken from its consumer: longer than a lock of a dead one lasts. */
const CLAIM_AFTER_MS = 2_500;
const GROUP = 'bookkeepers';

/** Payments in a Redis stream, and the books that they change. `run` keeps two runs on one server apart. */
export class PaymentStream {
  readonly #client: Redis;
  readonly #stream: string;
  readonly #books: string;

  constructor(url: string, run: string) {
    this.#client = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 3_000 });
    this.#client.on('error', () => {});
    this.#stream = `${run}:payments`;
    this.#books = `${run}:books`;
  }

  async create(): Promise<void> {
    await this.#client.xgroup('CREATE', this.#stream, GROUP, '0', 'MKSTREAM');
  }

  async announce({ payment, account, amount }: Payment): Promise<void> {
    await this.#client.xadd(this.#stream, '*', 'payment', payment, 'account', account, 'amount', amount);
  }

  /** The next messages for this consumer: first those that somebody has left lying, then new ones. Waits for a moment. */
  async next(consumer: string): Promise<readonly Delivery[]> {
    const [, left] = (await this.#client.xautoclaim(this.#stream, GROUP, consumer, CLAIM_AFTER_MS, '0', 'COUNT', 5)) as [string, Entry[]];
    if (left.length > 0) return left.map(deliveryOf);
    const answer = (await this.#client.xreadgroup('GROUP', GROUP, consumer, 'COUNT', 5, 'BLOCK', 200, 'STREAMS', this.#stream, '>')) as
      | [string, Entry[]][]
      | null;
    return (answer?.[0]?.[1] ?? []).map(deliveryOf);
  }

  async acknowledge(id: string): Promise<void> {
    await this.#client.xack(this.#stream, GROUP, id);
  }

  /** How many messages nobody has acknowledged yet. */
  async open(total: number): Promise<number> {
    const groups = (await this.#client.xinfo('GROUPS', this.#stream)) as (string | number)[][];
    const [group = []] = groups;
    const valueOf = (name: string): number => Number(group[group.indexOf(name) + 1]);
    return total - valueOf('entries-read') + valueOf('pending');
  }

  async balance(account: string): Promise<number> {
    return Number(await this.#client.hget(this.#books, account));
  }

  /** Writes over what was there: two who read the same balance would lose one of their payments. */
  async setBalance(account: string, balance: number): Promise<void> {
    await this.#client.hset(this.#books, account, balance);
  }

  async drop(): Promise<void> {
    await this.#client.del(this.#stream, this.#books);
  }

  close(): void {
    this.#client.disconnect();
  }
}

type Entry = readonly [id: string, fields: readonly string[]];

function deliveryOf([id, fields]: Entry): Delivery {
  const valueOf = (name: string): string => fields[fields.indexOf(name) + 1] ?? '';
  return { id, payment: valueOf('payment'), account: valueOf('account'), amount: Number(valueOf('amount')) };
}
