import { Buffer } from 'node:buffer';

const INT_BYTES = 4;
/** Number and type of the request. */
const HEADER_BYTES = 2 * INT_BYTES;

/** A request that the client has no words for, as the client queues and sends requests: the client numbers it. */
export class OwnRequest<T> {
  readonly header: { xid: number; readonly type: number };
  /** Takes the answer from a frame that is no refusal of the whole. Throws RangeError for a frame that is none, or the refusal of a part. */
  readonly read: (frame: Buffer) => T;
  readonly #body: Buffer;

  constructor(type: number, body: Buffer, read: (frame: Buffer) => T) {
    this.header = { xid: 0, type };
    this.#body = body;
    this.read = read;
  }

  toBuffer(): Buffer {
    return Buffer.concat([ints(HEADER_BYTES + this.#body.length, this.header.xid, this.header.type), this.#body]);
  }
}

export function ints(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * INT_BYTES);
  for (const [index, value] of values.entries()) bytes.writeInt32BE(value, index * INT_BYTES);
  return bytes;
}

/** Bytes with their number in front. */
export function counted(bytes: Buffer | string): Buffer {
  const content = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes;
  return Buffer.concat([ints(content.length), content]);
}
