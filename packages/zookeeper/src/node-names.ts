import type { HoldRequest, LockKind } from '@holdfast/core';

/** Under the root: one directory a kind, in it one node a name, in that one node a request. */
export const directoryOf: Readonly<Record<LockKind, string>> = {
  lock: 'locks',
  semaphore: 'semaphores',
  'read-write': 'read-write',
};

/**
 * A lock's name as one segment of a path: percent-encoded, since a path may hold neither `/` nor control characters, and
 * some characters of Unicode not either. `.` and `..` would be steps.
 */
export function encodeName(name: string): string {
  return name === '.' || name === '..' ? name.replaceAll('.', '%2E') : encodeURIComponent(name);
}

/** null for what `encodeName` never wrote. */
export function decodeName(segment: string): string | null {
  try {
    const name = decodeURIComponent(segment);
    return encodeName(name) === segment ? name : null;
  } catch {
    return null;
  }
}

/** One request in the queue of a name, as the name of its node tells it. */
export interface QueueEntry {
  /** The node's name. */
  readonly node: string;
  /** Random, of the one who made the node: by it a node is found whose number was lost with the reply. */
  readonly guid: string;
  readonly mode: HoldRequest['mode'];
  readonly permits: number;
  readonly limit: number;
  readonly sequence: number;
}

/** What the server appends the sequence number to. */
export function nodePrefix(guid: string, request: HoldRequest): string {
  if (request.mode === 'permits') return `${guid}-permits-${request.permits}of${request.limit}-`;
  return `${guid}-${request.mode}-`;
}

const LENGTH_BYTES = 4;
const GUID_LENGTH = 32;
const SEQUENCE_LENGTH = 10;

/** How many bytes the path of a request's node takes where servers write it down, its length included. */
export function pathBytes(parent: string, request: HoldRequest): number {
  return Buffer.byteLength(parent) + nodePrefix('', request).length + LENGTH_BYTES + '/'.length + GUID_LENGTH + SEQUENCE_LENGTH;
}

const NODE = /^([0-9a-f]{32})-(?:(exclusive|read|write)|permits-(\d{1,10})of(\d{1,10}))-(-?\d{9,10})$/;

/** null for a node that none of us made. */
export function parseNode(node: string): QueueEntry | null {
  const [, guid, mode, permits, limit, sequence] = NODE.exec(node) ?? [];
  if (guid === undefined) return null;
  return {
    node,
    guid,
    mode: (mode as HoldRequest['mode'] | undefined) ?? 'permits',
    permits: Number(permits ?? 1),
    limit: Number(limit ?? 1),
    sequence: Number(sequence),
  };
}
