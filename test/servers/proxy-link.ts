import type { Socket } from 'node:net';

/** 'up' is towards the server (requests), 'down' towards the client (replies). */
export type ProxyDirection = 'up' | 'down';

export interface LinkControl {
  delayMs(): number;
  isSilent(direction: ProxyDirection): boolean;
  onDelivered(direction: ProxyDirection, length: number): void;
  onClosed(): void;
}

/** One connection through a proxy: a client's socket, the server's, and what is under way between them. */
export class ProxyLink {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #flows: readonly Flow[];

  constructor(client: Socket, server: Socket, control: LinkControl) {
    this.#client = client;
    this.#server = server;
    this.#flows = [new Flow('up', client, server, control), new Flow('down', server, client, control)];
    let open = 2;
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      // Each end learns of the other's reset as a reset. A silenced wire carries no RST either: then only a cut ends it.
      socket.once('error', () => {
        if (!control.isSilent('up') && !control.isSilent('down')) other.resetAndDestroy();
      });
      socket.once('close', () => {
        open -= 1;
        if (open === 0) control.onClosed();
      });
    }
  }

  /** Tries again to deliver what a silence held back. */
  deliver(): void {
    for (const flow of this.#flows) flow.deliver();
    // What died during a silence is told to the other side now.
    if (this.#client.destroyed && !this.#server.destroyed) this.#server.resetAndDestroy();
    if (this.#server.destroyed && !this.#client.destroyed) this.#client.resetAndDestroy();
  }

  reset(): void {
    for (const flow of this.#flows) flow.drop();
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }
}

/** One direction of a connection: a queue of what came and when it is due. null stands for the end of the stream. */
class Flow {
  readonly #direction: ProxyDirection;
  readonly #to: Socket;
  readonly #control: LinkControl;
  #queue: { readonly chunk: Buffer | null; readonly due: number }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(direction: ProxyDirection, from: Socket, to: Socket, control: LinkControl) {
    this.#direction = direction;
    this.#to = to;
    this.#control = control;
    from.on('data', (chunk) => this.#arrived(chunk));
    from.once('end', () => this.#arrived(null));
    to.once('close', () => this.drop());
  }

  deliver(): void {
    clearTimeout(this.#timer);
    let head = this.#queue[0];
    while (head && !this.#control.isSilent(this.#direction) && !this.#to.destroyed) {
      const early = head.due - performance.now();
      if (early > 0) {
        this.#timer = setTimeout(() => this.deliver(), Math.ceil(early));
        return;
      }
      this.#queue.shift();
      if (head.chunk === null) {
        this.#to.end();
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
    this.#queue.push({ chunk, due: performance.now() + this.#control.delayMs() });
    this.deliver();
  }
}
