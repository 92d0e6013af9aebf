import { constants } from 'node:os';

/** How `holdfast` ends, beside the command's own code. The numbers up to 78 are those of sysexits.h; 126 and up are a shell's. */
export const exitCodes = Object.freeze({
  ok: 0,
  /** A negative answer: a conformance case failed. */
  no: 1,
  /** Arguments, URL or configuration file are wrong, or the store cannot do this; nothing was done. */
  usage: 64,
  /** The store was not reached, or refused. */
  unavailable: 69,
  /** A fault of this program. */
  internal: 70,
  /** The result could not be written, for instance to a full disk; what was asked for has been done. */
  unwritten: 74,
  /** Somebody else has the lock. */
  busy: 75,
  /** The lock was lost before the command had ended. The first number that sysexits.h leaves free. */
  lost: 79,
  /** The command succeeded, and that it has run could not be noted: it may run again. */
  unnoted: 80,
  /** The command is there and cannot be run. */
  notExecutable: 126,
  /** There is no such command. */
  notFound: 127,
});

/** What a shell says of a process that a signal ended: 128 + n. */
export function codeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
