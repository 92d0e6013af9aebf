import type { CallContext } from '../contract/backend.js';
import type { Step } from './connection.js';

/** One request to one step of the store: its keys, all on one route, and its arguments. */
export interface Piece<S extends Step> {
  /** What the store is asked to do. */
  readonly step: S;
  /** Which part of the store gets it, such as a slot of a cluster. */
  readonly route: number;
  /** Its keys. */
  readonly keys: readonly string[];
  /** Its arguments. */
  readonly args: readonly string[];
  /** The name that it is about, for errors; null where it is about none. */
  readonly lockName: string | null;
  /** Whose hold it is about; '' where it is about none. */
  readonly owner: string;
  /** Of a step that frees one owner's hold and grants to `owner`: whose hold it frees. Default: `owner`. */
  readonly freed?: string;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Looked at only when the request had to wait for a connection. null: it is sent even if its caller has gone. */
  readonly call: CallContext | null;
}

/**
 * Turns a reply into a result; what it throws is the rejection.
 *
 * @param isFinal of a step that grants or frees: no other request of the owner's can take effect any more; of one that does both, of neither owner's
 * @param isOnly no other copy of the request can have been carried out before: the client has kept its connection
 */
export type Read<S extends Step, T> = (reply: unknown, piece: Piece<S>, isFinal: boolean, isOnly: boolean) => T;

/** Where the results of requests go. Each index is reported once. */
export interface Receiver<T = unknown> {
  /** What `Read` made of the reply to the request with this index. */
  take(result: T, index: number): void;
  /** The request with this index has failed, or was never sent. */
  fail(failure: Error, index: number): void;
}

/** What to do about a command that failed. */
export interface Verdict {
  /** The server answered, if only with an error: the command is not on its way any more. */
  readonly isAnswer: boolean;
  /**
   * - `fail`: its requests fail;
   * - `apart`: each is asked again alone, as the reason may lie with one of them;
   * - `by-route`: likewise, and from now on no two routes share a command;
   * - `elsewhere`: its requests fail, and the next connection may lead to a server that takes them.
   */
  readonly next: 'fail' | 'apart' | 'by-route' | 'elsewhere';
}

/** How failures of one backend compare. */
export interface FailureRules {
  /** Turns whatever was thrown into an error of the backend's. */
  failureOf(error: unknown, lockName: string | null, wasSent: boolean): Error;
  /** Whether the request that failed so may have left this process. */
  wasSent(failure: Error): boolean;
  /** Whether waiting cannot help. */
  isPermanent(failure: Error): boolean;
  /** The same failure, of several requests of which some may have been sent. */
  asSent(failure: Error): Error;
}
