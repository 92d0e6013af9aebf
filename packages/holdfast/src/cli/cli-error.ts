import { isLockError } from '@holdfast/core';
import { exitCodes } from './exit-codes.js';

/** An end of the program that is reported in one line. */
export class CliError extends Error {
  readonly exitCode: number;
  /** For programs that read `--json`. */
  readonly code: string;

  constructor(message: string, exitCode: number, code: string) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.code = code;
  }
}

export function usageError(message: string): CliError {
  return new CliError(message, exitCodes.usage, 'USAGE');
}

/** How a failure is reported: its line, its code, and how the program ends. */
export interface Failure {
  readonly message: string;
  readonly code: string;
  readonly exitCode: number;
  /** Who chose the words: we, the store's backend, or somebody else. Only what is not ours may hold a secret. */
  readonly words: 'ours' | 'of the store' | 'foreign';
}

export function failureOf(error: unknown): Failure {
  if (error instanceof CliError) return { message: error.message, code: error.code, exitCode: error.exitCode, words: 'ours' };
  if (isLockError(error)) {
    const words = error.code === 'LOCK_BACKEND_UNAVAILABLE' ? 'of the store' : 'ours';
    return { message: error.message.replace(/^connect: /, ''), code: error.code, exitCode: exitCodeOf(error.code), words };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { message, code: 'INTERNAL', exitCode: exitCodes.internal, words: 'foreign' };
}

function exitCodeOf(code: string): number {
  switch (code) {
    case 'LOCK_TIMEOUT':
      return exitCodes.busy;
    case 'LOCK_LOST':
      return exitCodes.lost;
    case 'LOCK_BACKEND_UNAVAILABLE':
      return exitCodes.unavailable;
    case 'LOCK_INVALID_ARGUMENT':
    case 'LOCK_UNSUPPORTED':
      return exitCodes.usage;
    default:
      return exitCodes.internal;
  }
}
