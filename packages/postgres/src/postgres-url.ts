import { LockArgumentError } from '@holdfast/core';
import { BACKEND } from './postgres-error.js';

/** Checks what can be checked of a connection string before the driver reads it. No message quotes it: it may hold a password. */
export function checkConnectionString(text: string): void {
  if (/^postgres(?:ql)?:\/\//i.test(text)) return;
  throw new LockArgumentError('postgres: the connectionString given is not usable: it must begin with postgres:// or postgresql://', {
    option: 'connectionString',
    backend: BACKEND,
  });
}
