import type { LockBackend, LockManager, ManagerOptions } from '../index.js';

/** What a test runner must offer; vitest's `describe` and `it` fit as they are. */
export interface TestRunner {
  describe(title: string, body: () => void): unknown;
  it(title: string, body: () => Promise<void>, timeoutMs?: number): unknown;
}

/** One harness tells the suite how to reach one backend. */
export interface ConformanceHarness {
  /** Stands at the head of the report. */
  readonly name: string;
  /**
   * What `setup().faults` offers. Cases that need more are not registered; what is listed here and missing there
   * (or the other way round) fails, so that nothing is skipped by mistake.
   * @default none
   */
  readonly faults?: readonly FaultName[] | undefined;
  /**
   * Faults that its store cannot have, each with the reason, such as "one server" for `stopNode`: in a report their cases count as not
   * applicable, where those of a fault that is only missing count as not run.
   * @default none
   */
  readonly inapplicable?: Readonly<Partial<Record<FaultName, string>>> | undefined;
  /** The versions of the driver and of the server, for the report. What it throws is left out. */
  versions?(): Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>;
  /**
   * Called once for each case. `options` are the manager options that the case needs: hand them to `manager`, over
   * the harness's own. `options.via` puts the suite's wire between a client and its store; it is not enumerable, so that the options
   * can be handed on as they are.
   */
  setup(options: SetupOptions): Promise<ConformanceSetup> | ConformanceSetup;
}

/**
 * Gives the address to use instead of a server's, where the suite's own TCP proxy listens. To be called for each client, in `setup` and in
 * `peer`, and for each server of several; a bare backend goes the way of the manager. For a case that leaves the wire alone it answers the
 * address that it was given.
 */
export type Via = (host: string, port: number) => Promise<{ readonly host: string; readonly port: number }>;

/** The options of a case's manager, and the suite's wire. */
export type SetupOptions = ManagerOptions & {
  /** @default noWire; the suite always hands one in */
  readonly via?: Via;
};

/** For a harness that is tried without the suite: every client reaches its server itself. */
export const noWire: Via = async (host, port) => ({ host, port });

/** What one case works with. */
export interface ConformanceSetup {
  readonly manager: LockManager;
  /** An independent client of the same store: what another process would be. `options` go to that manager; `options.via` is as in `setup`. */
  peer(options?: SetupOptions): Promise<LockManager> | LockManager;
  readonly faults?: ConformanceFaults | undefined;
  /**
   * Settles when every server of several knows what is held: a hold is granted by a majority, whose last vote may come later. Awaited
   * before the suite stops a server.
   */
  settled?(): Promise<void>;
  /** Closes the manager, every peer and whatever else was opened. Managers may be closed already; faults may still be on. */
  close(): Promise<void>;
}

/**
 * What a harness can do to the store, or can see of it. All are optional; `injectFaults` makes most of them for any
 * backend, a harness with a real network does them on the wire.
 */
export interface ConformanceFaults {
  /**
   * Ends the connections of `manager` and refuses new ones until `reconnect`. Peers are not affected. What is under
   * way fails; nothing of it reaches the store later.
   */
  disconnect?(): Promise<void>;
  reconnect?(): Promise<void>;
  /**
   * Makes the store silent: connections stay open, nothing is answered, what is sent arrives after `thaw` (a
   * stopped server, a half-open connection). Peers may be frozen with it.
   */
  freeze?(): Promise<void>;
  thaw?(): Promise<void>;
  /**
   * The next request of `manager` that takes, renews or frees is carried out, but its answer is lost: the connection
   * ends instead, and may be made again at once.
   */
  loseNextReply?(): Promise<void>;
  /** The store ends the session (the connections) of `manager`; a new one may be made at once. */
  killSession?(): Promise<void>;
  /** `peer` is gone: its connections end, it releases nothing and says nothing more. */
  crash?(peer: LockManager): Promise<void>;
  /** How many requests `manager` has sent to the store so far. A batch is one; commands of others do not count. */
  requests?(): Promise<number>;
  /**
   * What the clients of this setup have left in the store and in the process: keys, nodes, listeners, connections.
   * Names for people to read. What a backend keeps by design and in bounded number (fencing counters) is left out.
   */
  residue?(): Promise<readonly string[]>;
  /**
   * From now on what `manager` sends is on its way and does not arrive, until the handle says so: our end of a connection can be
   * gone for long when what was sent on it comes to the store. `lateDelivery` makes the handle of `startTcpProxy`s.
   */
  deliverLate?(): Promise<LateDelivery>;
  /**
   * Stops one of the several servers of the store for all clients of this setup, once all of them have what is held; the others
   * suffice. `silent`: its connections stay open and nothing is answered; `refused`: they end, and new ones are refused.
   */
  stopNode?(how: StoppedHow): Promise<void>;
  startNode?(): Promise<void>;
  /**
   * The bare backend, one more client of the same store, for the rules that a manager never lets show. It reaches the store by the
   * way of `manager`, so that `deliverLate` is done to its requests too. The harness closes it.
   */
  openBackend?(): Promise<LockBackend> | LockBackend;
  /**
   * How a process of its own becomes one more client of the same store: a module that exports `openClient`. The suite starts processes that
   * load the module, sets their clocks wrong, stops and kills them.
   */
  otherProcess?(): ClientModule | Promise<ClientModule>;
}

/** A module for `otherProcess`, in JavaScript that Node runs as it is. */
export interface ClientModule {
  /** A URL, or an absolute path. It exports `openClient(data, options)`, which answers a `LockManager` or a promise of one. */
  readonly module: string | URL;
  /** Handed to `openClient`; as JSON. */
  readonly data?: unknown;
}

/** How a server that is stopped looks from its clients. */
export type StoppedHow = 'silent' | 'refused';

/** Requests that are on their way. */
export interface LateDelivery {
  /** Settles when something is on its way. */
  taken(): Promise<void>;
  /** Our end of the connections is gone; the store is not told. What is sent over new ones arrives at once. */
  cut(): Promise<void>;
  /** What was on its way arrives. Settles when the store has dealt with it, as far as that can be seen. */
  deliver(): Promise<void>;
}

/** The names of the faults. */
export type FaultName = keyof ConformanceFaults;
