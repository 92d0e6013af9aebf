import { Buffer } from 'node:buffer';
import type { LeaseTicket } from '@holdfast/core';
import { type CliError, usageError } from './cli-error.js';
import { MAX_SECRET_BYTES, secretFromEnvironment } from '../environment.js';
import { readSmall } from '../read-small.js';

/** What a lease looks like as one word that every shell leaves alone. */
const PREFIX = 'hf1_';

export function leaseText(ticket: LeaseTicket): string {
  return `${PREFIX}${Buffer.from(JSON.stringify(ticket)).toString('base64url')}`;
}

/**
 * The lease that is meant: the argument, standard input for `-`, else the environment. No message shows it.
 *
 * @throws CliError when there is none, or it is none of ours
 */
export function readLease(argument: string | undefined): LeaseTicket {
  const given = argument === '-' ? readSmall(0, MAX_SECRET_BYTES) : (argument ?? secretFromEnvironment('HOLDFAST_LEASE'));
  if (given === null) throw noLease();
  const text = given?.trim();
  if (text === undefined || text === '') {
    throw usageError('no lease is given: name it, hand it over on standard input with -, or set HOLDFAST_LEASE or HOLDFAST_LEASE_FILE');
  }
  try {
    if (!text.startsWith(PREFIX)) throw new Error('another word');
    return JSON.parse(Buffer.from(text.slice(PREFIX.length), 'base64url').toString('utf8')) as LeaseTicket;
  } catch {
    throw noLease();
  }
}

function noLease(): CliError {
  return usageError(`this is no lease: it must be what holdfast acquire has printed, one word that begins with ${PREFIX}`);
}

/** Whether somebody has typed a lease where a name belongs. */
export function looksLikeLease(text: string): boolean {
  return text.startsWith(PREFIX);
}
