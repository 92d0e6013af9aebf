import { createServer, type Socket } from 'node:net';

interface Hold {
  readonly owner: string;
  readonly token: number;
  expiresAt: number;
}

/** What clients ask of the server; `now` only where a client is broken enough to bring its own clock. */
export interface LineRequest {
  readonly id: number;
  readonly ask: 'attempt' | 'renew' | 'release' | 'inspect';
  readonly name: string;
  readonly owner: string;
  readonly ttlMs: number;
  readonly now?: number;
}

/** The smallest lock server: lines of JSON over TCP, locks that expire by its clock. */
export class LineServer implements AsyncDisposable {
  readonly #holds = new Map<string, Hold>();
  readonly #sockets = new Set<Socket>();
  #lastToken = 0;
  readonly #server = createServer((socket) => this.#serve(socket));

  static async start(): Promise<LineServer> {
    const server = new LineServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const request = JSON.parse(line) as LineRequest;
        socket.write(`${JSON.stringify({ id: request.id, ...this.#answer(request) })}\n`);
      }
    });
  }

  #answer({ ask, name, owner, ttlMs, now = Date.now() }: LineRequest): object {
    const found = this.#holds.get(name);
    const hold = found !== undefined && found.expiresAt > now ? found : undefined;
    const isOurs = hold?.owner === owner;
    if (ask === 'inspect')
      return hold === undefined ? { held: false } : { held: true, remainingMs: hold.expiresAt - now, token: hold.token };
    if (ask === 'release') return { done: isOurs && this.#holds.delete(name) };
    if (ask === 'renew') {
      if (isOurs) hold.expiresAt = Math.max(hold.expiresAt, now + ttlMs);
      return { done: isOurs };
    }
    if (hold !== undefined && !isOurs) return { granted: false, remainingMs: hold.expiresAt - now };
    const token = hold?.token ?? ++this.#lastToken;
    this.#holds.set(name, { owner, token, expiresAt: now + ttlMs });
    return { granted: true, token };
  }
}
