import { Buffer } from 'node:buffer';

/** Names as bytes: a text of PostgreSQL cannot hold every character that a name may. */
export function hexOf(name: string): string {
  return Buffer.from(name, 'utf8').toString('hex');
}
