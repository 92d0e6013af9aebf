/** A script, as the server knows it. */
export interface RedisScript {
  /** The SHA-1 of the source, in lower-case hex: by it `EVALSHA` names the script. */
  readonly sha: string;
  /** What `EVAL` takes where the server does not know the script. */
  readonly source: string;
}

/**
 * All that Holdfast asks of a Redis client, whatever driver is behind the client: one connection to one server, or to the nodes of a cluster.
 * Holdfast makes a port of each client that it knows; of any other driver write one.
 *
 * Replies are as RESP2 has them: strings, numbers, null and arrays. An error reply rejects with an Error whose message is the server's, its
 * code first (`NOSCRIPT No matching script`). A command whose connection has gone rejects with any other error. A driver that sends a command
 * again on the next connection reports the loss to `onLost` first.
 */
export interface RedisPort {
  /** The driver's package, such as `ioredis`: what errors and health reports call the client. */
  readonly driver: string;
  /** Whether the client stands for all nodes of a cluster. @default false */
  readonly isCluster?: boolean | undefined;
  /** Whether the client leads to whichever server is the master at the time, as sentinels name it. @default false */
  readonly followsMaster?: boolean | undefined;
  /** What the client puts in front of every key of `run`. @default '' */
  readonly keyPrefix?: string | undefined;
  /** The server's address, for messages; null where the driver does not say. @default null */
  readonly address?: RedisAddress | null | undefined;
  /** false before the connection stands and after the connection has ended. */
  readonly isReady: boolean;
  /**
   * What was last wrong with the connection since the connection stood, where the driver reports such a failure and goes on; undefined when
   * nothing was wrong. A refused password is such a failure.
   */
  readonly failure?: unknown;
  /** Resolves when the connection stands; rejects, with the reason where the driver knows one, when the connection has ended before. */
  ready(): Promise<void>;
  /**
   * Runs a script by its `sha`, and by its `source` where the server answers NOSCRIPT. Calls of one turn leave in their order. On a cluster the
   * script goes to the node of its keys, which share a slot.
   */
  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown>;
  /** Sends any other command; its keys are given as the server knows them, with `keyPrefix`. On a cluster the command goes to any node. */
  call(command: string, ...words: readonly string[]): Promise<unknown>;
  /**
   * Hears what is published on a channel from the moment on in which the promise resolves, until the connection ends or what the promise
   * resolves with is called.
   */
  listen(channel: string, onMessage: (text: string) => void): Promise<() => void>;
  /** Calls the listener each time that a connection to a server is lost, or has ended. Returns what stops that. */
  onLost(listener: () => void): () => void;
  /**
   * Makes another connection to the same data, which begins to connect, never reconnects by itself, and does not keep the process alive; of a
   * cluster to one master, that of the slot if a slot is given.
   */
  another(slot: number | null): Promise<RedisPort> | RedisPort;
  /**
   * Ends the connection at once, without waiting for the server; what is on its way then rejects. Called only on what `another` has made.
   *
   * @param slot on a cluster: only the connection to the node of this slot has to end
   */
  end(slot?: number | null): void;
  /** Ends the connection and lets what was sent before still arrive. Called only on what `another` has made. @default end() */
  close?(): void;
  /** Keeps what is sent back until the function that it returns is called, so that all leaves as one packet. @default each leaves at once */
  gather?(): () => void;
  /** Of a cluster: the masters that are known. */
  masters?(): readonly RedisPort[];
  /** Of a cluster: which node a slot belongs to at present, in any spelling; '' when that is not known. */
  nodeOf?(slot: number): string;
}

/** Where a server is. */
export interface RedisAddress {
  /** A name or an IP address. */
  readonly host: string;
  /** The port. */
  readonly port: number;
}

/** The servers behind a port, one by one: the masters of a cluster. */
export function serversOf(port: RedisPort): readonly RedisPort[] {
  return port.isCluster === true ? (port.masters?.() ?? []) : [port];
}
