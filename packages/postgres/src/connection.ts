import type { Clock } from '@holdfast/core';
import type { DriverClient, DriverNotification, DriverQuery, DriverResult } from './postgres-client.js';

/** A statement that is sent often has a name, and is parsed once a connection. */
export interface Statement {
  readonly text: string;
  readonly name?: string;
}

export type Row = readonly (string | null)[];

// Values come as the text that the server sent: a user may have set parsers of his own for all of pg.
const AS_TEXT = { getTypeParser: () => (value: string) => value };

/** What runs statements, one after another or at the same time. */
export interface Queryable {
  /** The server process that runs them, as the driver has heard at the start; null where nobody knows one. */
  readonly processId: number | null;
  query(statement: Statement, values?: readonly string[]): Promise<readonly Row[]>;
}

const GOODBYE_MS = 500;

/** One connection, ours alone for as long as we have it. Its end is reported once, and never raised. */
export class Connection implements Queryable {
  /** The server process as the driver has heard at the start; null where it has heard none. */
  readonly processId: number | null;
  /** Whether named statements are prepared: not where a pooler may hand them to another server process. */
  prepares = false;
  readonly clock: Clock;
  readonly #client: DriverClient;
  readonly #onEnd: ((error: unknown) => void)[] = [];
  readonly #listeners: [event: string, listener: (value: never) => void][] = [];
  readonly #wasBinary: unknown;
  #isEnded = false;

  constructor(client: DriverClient, clock: Clock) {
    this.#client = client;
    this.clock = clock;
    // It would go before the `types` of a query; a pool's client gets it back.
    this.#wasBinary = client.binary;
    client.binary = false;
    this.processId = typeof client.processID === 'number' ? client.processID : null;
    this.#listen('error', (error: Error) => this.#end(error));
    this.#listen('end', () => this.#end(new Error('Connection terminated')));
    // An idle connection does not keep the process alive; a pending call does, by a timer of the manager.
    client.unref?.();
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  onEnd(listener: (error: unknown) => void): void {
    this.#onEnd.push(listener);
  }

  onNotification(listener: (message: DriverNotification) => void): void {
    this.#listen('notification', listener);
  }

  /** Whether messages come over another connection of the driver's, which does not depend on this one. */
  get listensElsewhere(): boolean {
    return this.#client.listen !== undefined;
  }

  /** Resolves when the server has confirmed it, which may be never. */
  listenElsewhere(channel: string): Promise<void> {
    return this.#client.listen?.(channel) ?? Promise.resolve();
  }

  /** What was sent on a channel until now is not known. Only where messages come over another connection. */
  onListening(listener: (channel: string) => void): void {
    this.#listen('listening', listener);
  }

  /** Rows of texts. It may never settle on a silent connection; the one who gives up destroys the connection. */
  query(statement: Statement, values: readonly string[] = []): Promise<readonly Row[]> {
    if (this.#isEnded) return Promise.reject(new Error('Connection terminated'));
    const { text, name } = statement;
    const query: DriverQuery = {
      text,
      rowMode: 'array',
      types: AS_TEXT,
      ...(values.length > 0 && { values }),
      ...(this.prepares && name !== undefined && { name }),
    };
    return new Promise((resolve, reject) => {
      this.#client.query(query, (error, result) => {
        if (error) return reject(error);
        resolve(lastOf(result)?.rows ?? []);
      });
    });
  }

  /** Gives a pool's client back, in which nothing of ours is left; says goodbye to the server on a connection of our own. */
  leave(): void {
    this.#onEnd.length = 0;
    if (this.#client.release === undefined) this.end();
    else this.giveBack();
  }

  /** Gives a pool's client back as it was. */
  giveBack(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const [event, listener] of this.#listeners.splice(0)) this.#client.removeListener(event, listener);
    this.#client.ref?.();
    this.#client.binary = this.#wasBinary;
    if (this.#client.release === undefined) void this.#client.end(() => {});
    else this.#client.release();
  }

  /** Ends the connection now; the server ends the session. Nobody is notified. */
  destroy(): void {
    this.#onEnd.length = 0;
    this.#end(null);
  }

  /** Says goodbye, so that the server has nothing to complain about in its log; one that does not answer is not waited for. */
  end(): void {
    this.#onEnd.length = 0;
    this.#end(null, GOODBYE_MS);
  }

  #listen<T>(event: string, listener: (value: T) => void): void {
    this.#listeners.push([event, listener]);
    this.#client.on(event, listener);
  }

  #end(error: unknown, patienceMs = 0): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const client = this.#client;
    for (const [event, listener] of this.#listeners.splice(0)) client.removeListener(event, listener);
    if (client.release === undefined) {
      if (patienceMs === 0) reset(client);
      void client.end(() => {});
    } else {
      client.release(true);
    }
    // The pool has forgotten this client, and yet listens again: it would raise what may still come, where it has no listener itself.
    client.removeAllListeners('error');
    client.on('error', () => {});
    // The driver alone would wait for a silent server to answer the end with its own.
    const cut = (): void => client.connection?.stream?.destroy?.();
    if (patienceMs === 0) cut();
    else this.clock.setTimer(patienceMs, cut);
    for (const listener of this.#onEnd.splice(0)) listener(error);
  }
}

/**
 * What a closed socket has not sent is sent anyway, for as long as the network takes it; what a reset one has not, is not. A help
 * only: it proves nothing of what is on its way. A socket of TLS, or of this machine alone, cannot be reset.
 */
function reset({ connection }: DriverClient): void {
  try {
    connection?.stream?.resetAndDestroy?.();
  } catch {
    connection?.stream?.destroy?.();
  }
}

/** Several statements in one text answer with a list. */
function lastOf(result: DriverResult | readonly DriverResult[] | undefined): DriverResult | undefined {
  return result !== undefined && 'rows' in result ? result : result?.at(-1);
}
