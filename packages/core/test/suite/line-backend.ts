import { connect, type Socket } from 'node:net';
import { type Answer, type HoldRef, type LockBackend, type LockState, LockUnavailableError, LockUnsupportedError } from '@holdfast/core';
import type { LineRequest } from './line-server.js';

/** How it may be broken, as drivers and backends are. */
export type LineFault = 'client-clock' | 'no-reconnect' | 'half-a-reply-is-busy' | 'connection-per-waiter' | 'keeps-the-process';

export interface LineBackendOptions {
  readonly host: string;
  readonly port: number;
  readonly fault?: LineFault | undefined;
}

type Reply = Readonly<Record<string, unknown>>;
type Pending = { readonly resolve: (reply: Reply) => void; readonly reject: (error: Error) => void };

/** One connection, which is made when it is needed. */
class LineClient {
  readonly #options: LineBackendOptions;
  readonly #pending = new Map<number, Pending>();
  #socket: Socket | null = null;
  #count = 0;
  #wasCut = false;

  constructor(options: LineBackendOptions) {
    this.#options = options;
  }

  ask(request: Omit<LineRequest, 'id'>): Promise<Reply> {
    this.#count += 1;
    const id = this.#count;
    const now = this.#options.fault === 'client-clock' ? { now: Date.now() } : {};
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      const socket = this.#open();
      // A lease keeps no process; a call that is under way is kept by core.
      if (this.#options.fault !== 'keeps-the-process') socket.unref();
      socket.write(`${JSON.stringify({ ...request, id, ...now })}\n`);
    });
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    if (this.#socket !== null) return this.#socket;
    if (this.#wasCut && this.#options.fault === 'no-reconnect') throw new Error('the connection is gone');
    const socket = connect({ host: this.#options.host, port: this.#options.port });
    this.#socket = socket;
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#settle(JSON.parse(line) as Reply);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#wasCut = true;
      this.#socket = null;
      const isHalf = rest !== '' && this.#options.fault === 'half-a-reply-is-busy';
      for (const { resolve, reject } of this.#pending.values()) {
        if (isHalf) resolve({ granted: false, remainingMs: null });
        else reject(new LockUnavailableError('line: the connection ended'));
      }
      this.#pending.clear();
    });
    return socket;
  }

  #settle(reply: Reply): void {
    const id = Number(reply['id']);
    this.#pending.get(id)?.resolve(reply);
    this.#pending.delete(id);
  }
}

/** Locks on a `LineServer`. */
export function createLineBackend(options: LineBackendOptions): LockBackend<bigint> {
  const client = new LineClient(options);
  const waiters = new Set<LineClient>();
  const ask = (kind: LineRequest['ask'], { name, owner, ttlMs = 0 }: Pick<HoldRef, 'name' | 'owner'> & { readonly ttlMs?: number }) =>
    client.ask({ ask: kind, name, owner, ttlMs });
  return {
    contract: 1,
    name: 'line',
    capabilities: {
      fencing: true,
      semaphores: false,
      readWriteLocks: false,
      fair: false,
      push: false,
      marks: false,
      list: false,
      expiry: 'ttl',
    },
    attempt: (requests) =>
      Promise.all(
        requests.map(async (request): Promise<Answer<bigint>> => {
          if (request.mode !== 'exclusive') throw new LockUnsupportedError('line: locks only', { capability: 'semaphores' });
          const reply = await ask('attempt', request);
          if (reply['granted'] === true) return { granted: true, fencingToken: BigInt(Number(reply['token'])) };
          return { granted: false, remainingMs: typeof reply['remainingMs'] === 'number' ? Math.max(0, reply['remainingMs']) : null };
        }),
      ),
    renew: (holds) => Promise.all(holds.map(async (hold) => (await ask('renew', hold))['done'] === true)),
    release: (holds) => Promise.all(holds.map(async (hold) => (await ask('release', hold))['done'] === true)),
    subscribe({ name }) {
      if (options.fault === 'connection-per-waiter') {
        const own = new LineClient(options);
        waiters.add(own);
        own.ask({ ask: 'inspect', name, owner: '', ttlMs: 0 }).catch(() => {});
        return { close: () => own.close() };
      }
      return { close() {} };
    },
    async inspect(name, kind): Promise<LockState> {
      const reply = await ask('inspect', { name, owner: '' });
      const holder = {
        label: null,
        mode: 'exclusive',
        permits: 1,
        remainingMs: Number(reply['remainingMs']),
        fencingToken: BigInt(Number(reply['token'] ?? 0)),
      } as const;
      return { name, kind, held: reply['held'] === true, holders: reply['held'] === true ? [holder] : [], waiters: null };
    },
    forceRelease: () => Promise.reject(new LockUnsupportedError('line: cannot', { capability: 'list' })),
    checkHealth: async () => {},
    async close() {
      for (const one of [client, ...waiters]) one.close();
    },
  };
}
