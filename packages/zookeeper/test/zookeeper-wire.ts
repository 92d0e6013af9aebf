import type { Piece, Wire } from '@holdfast/test/servers';
import { FrameReader, readReplyHeader } from '../src/frame-reader.js';

const NOTIFICATION = -1;

/** ZooKeeper's protocol, as far as it has to be known: a frame a request, a frame an answer, and those of watches, which nobody asked for. */
export function newZooKeeperWire(): Wire {
  const [requests, answers] = [new FrameReader(), new FrameReader()];
  let isFirst = true;
  return {
    requestsIn: (chunk) => requests.read(chunk).length,
    answersIn: (chunk) =>
      answers.read(chunk).map((bytes): Piece => {
        // The answer to the handshake has no header.
        const isAnswer = isFirst || readReplyHeader(bytes).xid !== NOTIFICATION;
        isFirst = false;
        return { bytes, isAnswer };
      }),
  };
}
