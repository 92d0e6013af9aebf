import { FrameReader, readReplyHeader } from './frame-reader.js';
import { OwnRequest } from './own-request.js';
import type { Driver, DriverClient, DriverWatcherManager } from './zookeeper-client.js';
import { ConnectionLostError, demandsAuth, isOfTheConnection, RefusalError, SessionExpiredError, unavailable } from './zookeeper-error.js';

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** By which a session is known on the next connection. */
export interface SessionIdentity {
  readonly id: Buffer;
  readonly password: Buffer;
}

export interface ClientSettings {
  /** Asked of the server, which may give less or more. */
  readonly timeoutMs: number;
  readonly auth: { readonly scheme: string; readonly credentials: string } | null;
}

export interface ClientEvents {
  /** The server has answered the handshake. */
  readonly onOpen: () => void;
  /** It is of no more use; perhaps more than once. */
  readonly onEnd: (error: unknown) => void;
}

// States of the client's connection manager.
const DISCONNECTED = 0;
const CONNECTING = 1;
const CONNECTED = 2;
const EXPIRED = -3;

// What answers to no request: the number of an answer to authentication.
const XID_AUTH = -4;

/**
 * A client object of node-zookeeper-client, for one TCP connection. All that is known of that client is
 * in this file, and so are the cures. It would make the next connection by itself, and then take the rest of a cut frame
 * for the beginning of a new one, forget what is queued, and watch what nobody asks for; it throws into the event loop on
 * what it cannot read, which every code is that it has no name for; it never forgets a watcher; and it keeps a process alive. So refusals
 * are read here, and watchers are kept in a table of ours.
 */
export class TamedClient {
  readonly #client: DriverClient;
  readonly #events: ClientEvents;
  readonly #frames = new FrameReader();
  /** Why the connection has ended, or would. */
  reason = 'the connection was lost';
  #isGathering = false;
  #isAbandoned = false;

  constructor(
    driver: Driver,
    server: HostAndPort,
    { timeoutMs, auth }: ClientSettings,
    identity: SessionIdentity | null,
    watches: DriverWatcherManager,
    events: ClientEvents,
  ) {
    this.#events = events;
    this.#client = driver.createClient(`${server.host}:${server.port}`, {
      sessionTimeout: timeoutMs,
      retries: 0,
      sessionId: identity?.id,
      sessionPassword: identity?.password,
    });
    const manager = this.#client.connectionManager;
    // The client takes a connection string apart at its colons; an IPv6 address has some of its own.
    manager.servers = [server];
    // Before there is a connection, so that it goes out in front of every request.
    if (auth !== null) this.#client.addAuthInfo(auth.scheme, Buffer.from(auth.credentials, 'utf8'));
    manager.watcherManager = watches;
    const read = manager.onSocketData.bind(manager);
    manager.onSocketData = (chunk) => {
      try {
        for (const frame of this.#frames.read(chunk)) if (!this.#isAbandoned && !this.#takes(frame)) read(frame);
      } catch {
        this.#drop('the server sent what the client cannot read');
      }
    };
    manager.on('state', (state) => {
      if (state === CONNECTED) events.onOpen();
      else if (state === EXPIRED) events.onEnd(new SessionExpiredError());
      else if (state === DISCONNECTED) this.#drop(this.reason);
    });
    this.#client.connect();
    manager.connect = () => {};
    // The socket is there from the next tick on; the client hides its errors.
    process.nextTick(() => {
      manager.connectTimeoutHandler?.unref();
      manager.socket?.unref();
      manager.socket?.once('error', (error: Error & { code?: unknown }) => {
        if (typeof error.code === 'string') this.reason = `the connection failed (${error.code})`;
      });
    });
  }

  get identity(): SessionIdentity {
    return { id: this.#client.getSessionId(), password: this.#client.getSessionPassword() };
  }

  /** What was negotiated. */
  get timeoutMs(): number {
    return this.#client.getSessionTimeout();
  }

  /** The client, for one request. It writes each request by itself; those of one tick go out in one packet. */
  forRequest(): DriverClient {
    const { socket } = this.#client.connectionManager;
    if (!this.#isGathering && socket !== undefined) {
      this.#isGathering = true;
      socket.cork();
      process.nextTick(() => {
        this.#isGathering = false;
        socket.uncork();
      });
    }
    return this.#client;
  }

  /** Asks the server to end the session. @param onClosed called when the connection is closed. @returns false where there is none to ask on */
  endSession(onClosed: () => void): boolean {
    const { socket } = this.#client.connectionManager;
    if (this.#isAbandoned || socket === undefined) return false;
    // The client's own listener ends the connection as one that was lost.
    socket.prependOnceListener('close', onClosed);
    this.#client.close();
    return true;
  }

  /** Ends the connection. */
  abandon(): void {
    this.#isAbandoned = true;
    const { connectionManager } = this.#client;
    const abandon = (): void => {
      // The client's own timer.
      connectionManager.connectTimeoutHandler?.close();
      connectionManager.socket?.destroy();
    };
    abandon();
    // In the first tick there is no socket yet, and no timer.
    process.nextTick(abandon);
  }

  /**
   * Takes what the client cannot read: the answer to a request of ours; and every refusal, for the client throws on codes that are younger than
   * itself, and would lose the connection with all other requests on it.
   *
   * @returns whether the frame was taken
   * @throws RangeError for a frame that is too short
   */
  #takes(frame: Buffer): boolean {
    const { state, pendingQueue } = this.#client.connectionManager;
    if (state === CONNECTING) return false;
    const header = readReplyHeader(frame);
    const { xid } = header;
    let { code } = header;
    if (xid < 0 && xid !== XID_AUTH) return false;
    if (code === 0) {
      const [packet] = pendingQueue;
      if (!(packet?.request instanceof OwnRequest) || packet.request.header.xid !== xid) return false;
      const answer = answerIn(packet.request, frame);
      if (answer.code === 0) {
        pendingQueue.shift();
        packet.callback(null, answer.value);
        return true;
      }
      // The refusal of a step of a transaction.
      ({ code } = answer);
    }
    if (demandsAuth(code) || xid === XID_AUTH) this.#events.onEnd(unavailable({ code }));
    // The leader has ended the session, and this server is about to learn it; or another connection has taken it over.
    else if (isOfTheConnection(code)) this.#drop('the server does not know the session any more');
    else {
      const packet = pendingQueue.shift();
      if (packet?.request.header?.xid === xid) packet.callback(new RefusalError(code));
      else this.#drop('the server answered what was not asked');
    }
    return true;
  }

  #drop(reason: string): void {
    this.reason = reason;
    this.#events.onEnd(new ConnectionLostError(reason));
  }
}

/** @returns what it answers, with 0, or the code of a refusal. @throws RangeError for a frame that is too short */
function answerIn(request: OwnRequest<unknown>, frame: Buffer): { readonly code: number; readonly value?: unknown } {
  try {
    return { code: 0, value: request.read(frame) };
  } catch (error) {
    if (error instanceof RefusalError) return { code: error.code };
    throw error;
  }
}
