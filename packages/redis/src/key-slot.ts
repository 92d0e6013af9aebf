import { Buffer } from 'node:buffer';

/** How many slots a Redis Cluster has. */
export const SLOTS = 16_384;

// CRC16/XMODEM, as the cluster specification asks for.
const crcOfByte = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  crcOfByte[byte] = crc;
}

function step(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ (crcOfByte[(crc >> 8) ^ byte] as number);
}

/** The cluster slot of a key, hash tag included. */
export function slotOf(key: string): number {
  let from = 0;
  let to = key.length;
  const open = key.indexOf('{');
  if (open >= 0) {
    const close = key.indexOf('}', open + 1);
    if (close > open + 1) {
      from = open + 1;
      to = close;
    }
  }
  let crc = 0;
  for (let i = from; i < to; i++) {
    const unit = key.charCodeAt(i);
    if (unit > 0x7f) return slotOfBytes(Buffer.from(key.slice(from, to)));
    crc = ((crc << 8) & 0xffff) ^ (crcOfByte[(crc >> 8) ^ unit] as number);
  }
  return crc & (SLOTS - 1);
}

function slotOfBytes(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) crc = step(crc, byte);
  return crc & (SLOTS - 1);
}

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';
let tags: string[] | null = null;

/**
 * A short text that lies in the slot, to stand in the hash tag of an auxiliary key. The lock's own key cannot be put
 * there: no tag can hold a name such as `a}b`. The table is part of the format on the server and must never change:
 * for each slot the shortest text of digits and lower-case letters, the first in their order.
 */
export function tagOf(slot: number): string {
  tags ??= allTags();
  return tags[slot] as string;
}

function allTags(): string[] {
  const table: string[] = new Array<string>(SLOTS).fill('');
  let missing = SLOTS;
  // Text and checksum grow together: every longer text goes on from a shorter one.
  let level: [text: string, crc: number][] = [['', 0]];
  while (missing > 0) {
    const next: [string, number][] = [];
    for (const [text, crc] of level) {
      for (const letter of ALPHABET) {
        const longer = text + letter;
        const longerCrc = step(crc, letter.charCodeAt(0));
        const slot = longerCrc & (SLOTS - 1);
        if (table[slot] === '') {
          table[slot] = longer;
          missing -= 1;
          if (missing === 0) return table;
        }
        // Three letters leave few slots out; the fourth level is never stored.
        if (longer.length < 4) next.push([longer, longerCrc]);
      }
    }
    level = next;
  }
  return table;
}
