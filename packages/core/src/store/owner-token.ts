import { randomFillSync } from 'node:crypto';
import { Buffer } from 'node:buffer';

const TOKEN_BYTES = 16;
// One system call serves 256 tokens.
const pool = Buffer.alloc(TOKEN_BYTES * 256);
let used = pool.length;

/** A fresh owner token: 128 random bits as 32 lower-case hex digits. */
export function newOwnerToken(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const token = pool.toString('hex', used, used + TOKEN_BYTES);
  used += TOKEN_BYTES;
  return token;
}
