import type { Command, Contact, Step } from './connection.js';
import type { OpenGrant } from './grant-ledger.js';
import type { Piece, Read, Receiver } from './piece.js';
import type { ServerClock } from './server-clock.js';

/** A request that is to be sent, or has been. */
export interface Queued<S extends Step> {
  readonly piece: Piece<S>;
  readonly read: Read<S, unknown>;
  readonly receiver: Receiver;
  readonly index: number;
  /** When its time is over, of a request that waits for a connection; Infinity of any other. */
  dueAt: number;
  /** Of a request that frees: what had not been answered of its owner's when the request was sent. */
  open: OpenGrant | undefined;
  /** Of a request that grants: it was answered, and so was everything that its owner asked for. */
  isSettled: boolean;
}

/** A command and its requests, from their being put together to the answer. */
export interface Flight<S extends Step> extends Command<S> {
  readonly keys: string[];
  readonly args: string[];
  readonly requests: Queued<S>[];
  /** The longest that any of the requests may take: until then the server may carry the command out. */
  timeoutMs: number;
  /** The shortest: after it the connection is given up. */
  patienceMs: number;
  contact: Contact<S> | null;
  clock: ServerClock | null;
  sentAt: number;
  /** The same requests were refused as late before. */
  readonly isAgain: boolean;
  /** They were asked before, and a driver may have sent a second copy of that: what was refused may have been carried out. */
  readonly wasCopied: boolean;
  isGivenUp: boolean;
  /** Its index among the commands under way. */
  place: number;
}
