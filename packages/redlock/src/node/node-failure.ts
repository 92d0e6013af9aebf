import { isLockError } from '@holdfast/core';
import { ConnectionFault, type FailureRules } from '@holdfast/core/backend';
import { unavailable } from '@holdfast/redis/connection';
import { NodeFailure } from '../protocol/node.js';

/** What a driver's error comes to, without its secrets. A command that an error reply refused has not been carried out, but a script may have begun. */
function failureOf(error: unknown, wasSent: boolean): NodeFailure {
  if (error instanceof NodeFailure) return error;
  if (error instanceof ConnectionFault) return new NodeFailure(error.message, { mayHappen: wasSent, retryable: true });
  const told = unavailable(error);
  const retryable = !isLockError(told, 'LOCK_BACKEND_UNAVAILABLE') || told.retryable;
  // The backend's error names the driver once, for all nodes.
  const reason = told.message.replace(/^redis: /, '').replace(/ \(driver: [^)]*\)$/, '');
  return new NodeFailure(reason, { mayHappen: wasSent, retryable });
}

/** How the failures of one node compare. */
export const nodeFailureRules: FailureRules = {
  failureOf: (error, _lockName, wasSent) => failureOf(error, wasSent),
  wasSent: (failure) => failureOf(failure, true).mayHappen,
  isPermanent: (failure) => !failureOf(failure, true).retryable,
  asSent: (failure) => {
    const { message, retryable } = failureOf(failure, true);
    return new NodeFailure(message, { mayHappen: true, retryable });
  },
};
