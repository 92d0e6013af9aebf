import type { Piece, Wire } from './round-trip-counter.js';

const MESSAGES = new Set(['message', 'smessage', 'pmessage']);
const CRLF = '\r\n';

/** RESP, as far as it has to be known to tell commands and answers apart. */
export function newRedisWire(): Wire {
  let up: Buffer = Buffer.alloc(0);
  let down: Buffer = Buffer.alloc(0);
  return {
    requestsIn(chunk) {
      const { values, rest } = wholeValues(Buffer.concat([up, chunk]));
      up = rest;
      return values.length;
    },
    answersIn(chunk) {
      const { values, rest } = wholeValues(Buffer.concat([down, chunk]));
      down = rest;
      return values.map((bytes): Piece => ({ bytes, isAnswer: !isMessage(bytes) }));
    },
  };
}

function wholeValues(data: Buffer): { readonly values: readonly Buffer[]; readonly rest: Buffer } {
  const values: Buffer[] = [];
  let at = 0;
  for (;;) {
    const end = endOfValue(data, at);
    if (end === null) return { values, rest: data.subarray(at) };
    values.push(data.subarray(at, end));
    at = end;
  }
}

/** @returns where the value ends that begins here; null when that has not come yet */
function endOfValue(data: Buffer, at: number): number | null {
  const line = data.indexOf(CRLF, at);
  if (line < 0) return null;
  const type = String.fromCharCode(data[at] ?? 0);
  const size = Number(data.toString('latin1', at + 1, line));
  let end: number | null = line + CRLF.length;
  if ('$=!'.includes(type)) {
    if (size >= 0) end += size + CRLF.length;
    return end <= data.length ? end : null;
  }
  const values = type === '%' ? 2 * size : '*~>'.includes(type) ? size : 0;
  for (let each = 0; each < values && end !== null; each++) end = endOfValue(data, end);
  return end;
}

/** `*3 $7 message ...` */
function isMessage(value: Buffer): boolean {
  const [size = '', , word = ''] = value.toString('latin1', 0, 40).split(CRLF);
  return /^[*>]/.test(size) && MESSAGES.has(word);
}
