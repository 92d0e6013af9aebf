/** The bank's books: what the lock protects. Each account has a balance and remembers the highest token it was written with. */
export interface Ledger {
  open(account: string, balance: number): Promise<void>;
  read(account: string): Promise<number>;
  /**
   * Writes a balance. With a fencing token it is refused when the account has already seen a higher one: the writer
   * held the lock once, and somebody else has held it since.
   *
   * @throws StaleWriteError
   */
  write(account: string, balance: number, token: bigint | null): Promise<void>;
  close(): Promise<void>;
}

/** The account has seen a later holder of the lock. */
export class StaleWriteError extends Error {
  readonly seen: bigint;

  constructor(account: string, seen: bigint) {
    super(`account ${account} has already been written with token ${seen}`);
    this.name = 'StaleWriteError';
    this.seen = seen;
  }
}

/** The books of a bank that fits into one process. */
export function createMemoryLedger(): Ledger {
  const accounts = new Map<string, { balance: number; token: bigint }>();
  const find = (account: string): { balance: number; token: bigint } => {
    const found = accounts.get(account);
    if (found === undefined) throw new Error(`there is no account ${account}`);
    return found;
  };
  return {
    async open(account, balance) {
      accounts.set(account, { balance, token: 0n });
    },
    async read(account) {
      return find(account).balance;
    },
    async write(account, balance, token) {
      const found = find(account);
      if (token !== null && token < found.token) throw new StaleWriteError(account, found.token);
      found.balance = balance;
      found.token = token ?? found.token;
    },
    async close() {
      accounts.clear();
    },
  };
}
