/** More than any answer is made of: what announces more is no ZooKeeper server. */
const MOST_BYTES = 64 * 1024 * 1024;
const LENGTH_BYTES = 4;

/** Takes what comes over a connection apart into frames: a length of four bytes, and as many bytes. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @returns the frames that are complete now, each with its length in front. @throws RangeError for what is no frame */
  read(chunk: Buffer): readonly Buffer[] {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    while (bytes.length >= LENGTH_BYTES) {
      const length = bytes.readInt32BE(0);
      if (length < 0 || length > MOST_BYTES) throw new RangeError(`a frame of ${length} bytes`);
      if (bytes.length < LENGTH_BYTES + length) break;
      frames.push(bytes.subarray(0, LENGTH_BYTES + length));
      bytes = bytes.subarray(LENGTH_BYTES + length);
    }
    this.#rest = bytes;
    return frames;
  }
}

/** What stands in front of every answer but the one to the handshake. */
export interface ReplyHeader {
  /** Which request is answered; below zero for what is no answer to a request. */
  readonly xid: number;
  /** 0, or why the request was not carried out. */
  readonly code: number;
}

/** @throws RangeError for a frame that is too short */
export function readReplyHeader(frame: Buffer): ReplyHeader {
  // Length, number of the request, transaction, code.
  return { xid: frame.readInt32BE(4), code: frame.readInt32BE(16) };
}
