import type { Socket } from 'node:net';

/** 'up' is towards the server (requests), 'down' towards the client (replies). */
export type ProxyDirection = 'up' | 'down';

export interface LinkControl {
  delayMs(): number;
  isSilent(direction: ProxyDirection): boolean;
  /** Whether what the client sends from now on is held up, on this connection until `deliverHeld`. */
  isHolding(): boolean;
  /** Whether this reply is to be cut in its middle; true for one of them. */
  takesCut(): boolean;
  onDelivered(direction: ProxyDirection, length: number): void;
  onClosed(): void;
}

/** Servers that say nothing to what arrives late, such as a goodbye, are not waited for any longer. */
const REACTION_MS = 1_000;

/** One connection through a proxy: a client's socket, the server's, and what is under way between them. */
export class ProxyLink {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #up: Flow;
  readonly #down: Flow;

  constructor(client: Socket, server: Socket, control: LinkControl) {
    this.#client = client;
    this.#server = server;
    this.#up = new Flow('up', client, server, control);
    this.#down = new Flow('down', server, client, control, () => reset(this.#server));
    let open = 2;
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      // Each end learns of the other's reset as a reset. A silenced wire carries no RST either: then only a cut ends it.
      socket.once('error', () => {
        if (!control.isSilent('up') && !control.isSilent('down') && !this.#up.isLate) reset(other);
      });
      socket.once('close', () => {
        open -= 1;
        if (open === 0) control.onClosed();
      });
    }
  }

  /** Pieces that are held up. */
  get held(): number {
    return this.#up.held;
  }

  /** Tries again to deliver what a silence held back. */
  deliver(): void {
    this.#up.deliver();
    this.#down.deliver();
    if (this.#up.isLate) return;
    // What died during a silence is reported to the other side now.
    if (this.#client.destroyed && !this.#server.destroyed) reset(this.#server);
    if (this.#server.destroyed && !this.#client.destroyed) reset(this.#client);
  }

  /** What was held up arrives; settles when the server has said something to it, or has ended the connection. */
  async deliverHeld(): Promise<void> {
    if (this.held === 0 || this.#server.destroyed) return this.#up.stopHolding();
    const reaction = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, REACTION_MS);
      for (const event of ['data', 'end', 'close']) {
        this.#server.once(event, () => {
          clearTimeout(timer);
          resolve();
        });
      }
    });
    this.#up.stopHolding();
    await reaction;
  }

  /** Ends the client's side. The server is not notified when requests are or were held up. */
  cutClient(): void {
    reset(this.#client);
  }

  reset(): void {
    this.#up.drop();
    this.#down.drop();
    reset(this.#client);
    reset(this.#server);
  }
}

/**
 * Ends a connection with a RST. Where its end is under way already, with data still in front of it, libuv refuses to, and Node then forgets
 * the socket without closing it (the other side never learns of it, and the process never ends): that one is closed as any other.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

/** One direction of a connection: a queue of what came and when it is due. null stands for the end of the stream. */
class Flow {
  readonly #direction: ProxyDirection;
  readonly #to: Socket;
  readonly #control: LinkControl;
  #queue: { readonly chunk: Buffer | null; readonly due: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Whether what comes is held up; a flow that ever was in this state is late, and the end of its sender is not notified. */
  #hold: 'never' | 'now' | 'over' = 'never';
  readonly #endSender: () => void;

  constructor(direction: ProxyDirection, from: Socket, to: Socket, control: LinkControl, endSender: () => void = () => {}) {
    this.#endSender = endSender;
    this.#direction = direction;
    this.#to = to;
    this.#control = control;
    from.on('data', (chunk) => this.#arrived(chunk));
    from.once('end', () => this.#arrived(null));
    to.once('close', () => this.drop());
  }

  get isLate(): boolean {
    return this.#hold !== 'never';
  }

  get held(): number {
    return this.#hold === 'now' ? this.#queue.length : 0;
  }

  stopHolding(): void {
    if (this.#hold !== 'now') return;
    this.#hold = 'over';
    this.deliver();
  }

  deliver(): void {
    clearTimeout(this.#timer);
    let head = this.#queue[0];
    while (head && this.#hold !== 'now' && !this.#control.isSilent(this.#direction) && !this.#to.destroyed) {
      const early = head.due - performance.now();
      if (early > 0) {
        this.#timer = setTimeout(() => this.deliver(), Math.ceil(early));
        return;
      }
      this.#queue.shift();
      if (head.chunk === null) {
        this.#to.end();
      } else if (this.#direction === 'down' && this.#control.takesCut()) {
        this.#queue = [];
        this.#to.end(head.chunk.subarray(0, head.chunk.length >> 1));
        this.#endSender();
        return;
      } else {
        this.#to.write(head.chunk);
        this.#control.onDelivered(this.#direction, head.chunk.length);
      }
      head = this.#queue[0];
    }
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#queue = [];
  }

  #arrived(chunk: Buffer | null): void {
    if (this.#direction === 'up' && this.#hold !== 'now' && this.#control.isHolding()) this.#hold = 'now';
    if (this.#to.destroyed || (chunk === null && this.isLate)) return;
    this.#queue.push({ chunk, due: performance.now() + this.#control.delayMs() });
    this.deliver();
  }
}
