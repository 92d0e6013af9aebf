/** The stores that can be measured, in the order in which they are: the column `backend` of the rows. */
export const backends = ['redis', 'redlock', 'postgres', 'zookeeper'] as const;

/** One of them. */
export type Backend = (typeof backends)[number];

/**
 * The shared counter in the store that shows a wrong result: read, then write, never one step. Two holders at once
 * lose an update sooner or later.
 */
export interface Register {
  read(name: string): Promise<number>;
  write(name: string, value: number): Promise<void>;
  /** Draws the next number: who asked first. Atomic, unlike the rest. */
  ticket(name: string): Promise<number>;
  close(): Promise<void>;
}

/** What the store was asked in a while. */
interface CommandCount {
  readonly seconds: number;
  /** By name, in capitals: of all clients but the benchmark's own. What a script does inside is not counted. */
  readonly commands: ReadonlyMap<string, number>;
}

/** Counts what the store is asked, from when it was asked for until `stop`. */
export interface CommandWatch {
  stop(): Promise<CommandCount>;
}

/** Follows how long holds have left, to see renewals from outside. */
export interface ExpiryView {
  /** The holds whose names contain `part`. */
  find(part: string): Promise<readonly string[]>;
  /** What each has left in milliseconds; 0 or less when it is gone or has no end. */
  remaining(keys: readonly string[]): Promise<readonly number[]>;
}

/** What can be seen of a store besides its answers. */
export interface StoreObserver {
  readonly expiry: ExpiryView;
  watchCommands(): Promise<CommandWatch>;
}

/** A store that the benchmark measures on, with what only the benchmark needs of it. */
export interface Store {
  readonly backend: Backend;
  /** For `Library.open`, also from another process. */
  readonly address: string;
  /** What and where it is, for the head of the table. */
  readonly title: string;
  /** The processes of its servers, whose CPU time is counted; none where they are not of this machine. */
  readonly pids: readonly number[];
  readonly register: Register;
  /** Where it can be looked at from outside; scenarios that need that are for libraries of such stores. */
  readonly observer: StoreObserver | null;
  close(): Promise<void>;
}
