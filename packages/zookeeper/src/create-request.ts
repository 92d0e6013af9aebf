import { Buffer } from 'node:buffer';
import { counted, ints, OwnRequest } from './own-request.js';

/** `create2` of the protocol: `create`, with the record of the node in the answer. The client does not have it. */
const CREATE2 = 15;
const INT_BYTES = 4;
/** Length, number of the request, transaction, code. */
export const ANSWER_HEADER_BYTES = 20;

/** An entry of an access list; permissions are a sum of 1 read, 2 write, 4 create, 8 delete, 16 administer. */
export interface AclEntry {
  readonly permissions: number;
  readonly scheme: string;
  readonly id: string;
}

export interface NodeStat {
  /** The zxid of the transaction that made the node. */
  readonly czxid: bigint;
  /** When it was made, by the clock of the leader. */
  readonly createdAtMs: number;
  /** When its data was last written, by the clock of the leader. */
  readonly modifiedAtMs: number;
  readonly version: number;
  /** The session whose end removes it; 0 for a node that stays. */
  readonly ephemeralOwner: bigint;
}

/** A node that was made: its path, with the number that the server gave it, and its record. */
export interface CreatedNode {
  readonly path: string;
  readonly stat: NodeStat;
}

const MODES = { persistent: 0, ephemeral: 1, 'ephemeral-sequential': 3 } as const;
export type NodeMode = keyof typeof MODES;

/** A request to make a node. @param acl see `encodeAcl` */
export function createRequest(path: string, data: Buffer, acl: Buffer, mode: NodeMode): OwnRequest<CreatedNode> {
  return new OwnRequest(CREATE2, createBody(path, data, acl, mode), readCreated);
}

/** What the request says behind its header. */
export function createBody(path: string, data: Buffer, acl: Buffer, mode: NodeMode): Buffer {
  return Buffer.concat([counted(path), counted(data), acl, ints(MODES[mode])]);
}

/** An access list, as a request carries it. */
export function encodeAcl(entries: readonly AclEntry[]): Buffer {
  const parts = [ints(entries.length)];
  for (const { permissions, scheme, id } of entries) parts.push(ints(permissions), counted(scheme), counted(id));
  return Buffer.concat(parts);
}

/** @param frame an answer without a refusal. @throws RangeError for a frame that is too short */
export function readCreated(frame: Buffer): CreatedNode {
  const pathAt = ANSWER_HEADER_BYTES + INT_BYTES;
  const statAt = pathAt + frame.readInt32BE(ANSWER_HEADER_BYTES);
  if (statAt < pathAt || statAt > frame.length) throw new RangeError('a path that is longer than its frame');
  return { path: frame.toString('utf8', pathAt, statAt), stat: readStatAt(frame, statAt) };
}

/** czxid, mzxid, ctime, mtime: 8 bytes each; version, cversion, aversion: 4 each; ephemeralOwner: 8. */
function readStatAt(frame: Buffer, at: number): NodeStat {
  return {
    czxid: frame.readBigUInt64BE(at),
    createdAtMs: Number(frame.readBigInt64BE(at + 16)),
    modifiedAtMs: Number(frame.readBigInt64BE(at + 24)),
    version: frame.readInt32BE(at + 32),
    ephemeralOwner: frame.readBigUInt64BE(at + 44),
  };
}
