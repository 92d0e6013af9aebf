/**
 * What Holdfast needs of a Redis client, as a type of its own: an `ioredis` `Redis` or `Cluster`, version 5 or 6,
 * fits, and those of `iovalkey`. A client that was passed in is never closed; connections of our own are made from it with `duplicate()`.
 */
export interface IoredisClient {
  /** How the connection is, in the words of ioredis: `ready`, `end` ... */
  readonly status: string;
  /** Whether it is a `Cluster`. */
  readonly isCluster: boolean;
  /** Runs a script that the server knows. */
  evalsha(sha: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>;
  /** Runs a script. */
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>;
  /** Sends any other command. */
  call(command: string, ...commandArguments: string[]): Promise<unknown>;
  /** Ends the connection; called on connections of our own alone. */
  disconnect(): void;
}

/** A socket, as far as it is looked at. */
export interface ClientStream {
  readonly connecting?: boolean;
  readonly destroyed?: boolean;
  /** Of TLS. */
  readonly encrypted?: boolean;
  cork?(): void;
  uncork?(): void;
  destroy?(): void;
  resetAndDestroy?(): void;
  unref?(): void;
}

/** The rest of what is used, of clients that were checked by `isIoredisClient`. */
export interface IoredisDriverClient extends IoredisClient {
  readonly stream?: ClientStream | null;
  readonly options?: {
    readonly keyPrefix?: string | undefined;
    readonly host?: string;
    readonly port?: number;
    readonly enableAutoPipelining?: boolean;
    /** null unless sentinels are asked. */
    readonly sentinels?: readonly unknown[] | null;
    /** Of a socket of this machine. */
    readonly path?: string | null;
  };
  duplicate(options: object): IoredisDriverClient;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe?(channel: string): Promise<unknown>;
  on(event: string, listener: (...values: never[]) => void): unknown;
  off(event: string, listener: (...values: never[]) => void): unknown;
  once(event: string, listener: (...values: never[]) => void): unknown;
  pipeline?(commands: readonly (readonly (string | number)[])[]): { exec(): Promise<readonly (readonly [Error | null, unknown])[] | null> };
  // Of a cluster only.
  nodes?(role: 'master' | 'all'): IoredisDriverClient[];
  /** Of a node. */
  asking?(): Promise<unknown>;
  /** For each slot its nodes as host:port, the master first. */
  readonly slots?: readonly (readonly string[] | undefined)[];
  /** The cluster client's own subscriber, of which we have no use. */
  readonly subscriber?: { stop?(): void } | null;
}

/** Whether a value looks like an ioredis client. */
export function isIoredisClient(value: unknown): value is IoredisDriverClient {
  if (typeof value !== 'object' || value === null) return false;
  const client = value as Record<string, unknown>;
  return (
    ['evalsha', 'eval', 'call', 'duplicate', 'on', 'off'].every((method) => typeof client[method] === 'function') &&
    typeof client['status'] === 'string'
  );
}
