import type { Piece, Wire } from './round-trip-counter.js';

const [SYNC, QUERY, READY] = [...'SQZ'].map((letter) => letter.charCodeAt(0));
const HEAD = 5;

/** PostgreSQL's protocol, as far as it has to be known: what ends a request, and what ends its answer. Of a connection without TLS. */
export function newPostgresWire(): Wire {
  let up: Buffer = Buffer.alloc(0);
  let down: Buffer = Buffer.alloc(0);
  let hasBegun = false;
  let isReady = false;
  return {
    requestsIn(chunk) {
      up = Buffer.concat([up, chunk]);
      if (!hasBegun) {
        // The first message has no type.
        if (up.length < 4 || up.length < up.readInt32BE(0)) return 0;
        up = up.subarray(up.readInt32BE(0));
        hasBegun = true;
      }
      const { messages, rest } = wholeMessages(up);
      up = rest;
      return messages.filter(([type]) => type === SYNC || type === QUERY).length;
    },
    answersIn(chunk) {
      const { messages, rest } = wholeMessages(Buffer.concat([down, chunk]));
      down = rest;
      return messages.map((bytes): Piece => {
        // The first time it ends the handshake.
        const isAnswer = isReady && bytes[0] === READY;
        isReady ||= bytes[0] === READY;
        return { bytes, isAnswer };
      });
    },
  };
}

function wholeMessages(data: Buffer): { readonly messages: readonly Buffer[]; readonly rest: Buffer } {
  const messages: Buffer[] = [];
  let rest = data;
  while (rest.length >= HEAD && rest.length > rest.readInt32BE(1)) {
    messages.push(rest.subarray(0, rest.readInt32BE(1) + 1));
    rest = rest.subarray(rest.readInt32BE(1) + 1);
  }
  return { messages, rest };
}
