import type { HoldRequest } from '@holdfast/core';

/** What a request's node says besides its name: who asks, for those who look at it. */
export function nodeData({ label }: HoldRequest): Buffer {
  return Buffer.from(JSON.stringify({ label }), 'utf8');
}

/** The label in a node's data; null where there is none. */
export function labelIn(data: Buffer): string | null {
  try {
    const { label } = JSON.parse(data.toString('utf8')) as { readonly label?: unknown };
    return typeof label === 'string' ? label : null;
  } catch {
    return null;
  }
}
