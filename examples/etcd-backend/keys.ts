import type { HolderState, HoldRequest, LockKind } from '@holdfast/core';
import type { KeyValue } from './gateway.js';

/** Where everything of ours stands. */
const ROOT = 'holdfast/';

/** A range of keys, as the gateway wants it. */
export interface KeyRange {
  readonly key: string;
  readonly range_end: string;
}

export const everything: KeyRange = under(ROOT);

/** The key of one hold. Names are in hexadecimal: any text is one part of a path and no other, and a prefix stays a prefix. */
export function holdKey(kind: LockKind, name: string, owner: string): string {
  return base64(`${ROOT}${kind}/${hex(name)}/${owner}`);
}

/** All holds of a name. */
export function holdsOf(kind: LockKind, name: string): KeyRange {
  return under(`${ROOT}${kind}/${hex(name)}/`);
}

/** All holds of the names that begin so. */
export function holdsFrom(kind: LockKind, prefix: string): KeyRange {
  return under(`${ROOT}${kind}/${hex(prefix)}`);
}

/** While a client waits to write, this stands, and nobody begins to read. */
export function writerKey(name: string, client: string): string {
  return base64(`${ROOT}writers/${hex(name)}/${client}`);
}

export function writersOf(name: string): KeyRange {
  return under(`${ROOT}writers/${hex(name)}/`);
}

/** See `Session`. */
export function passKey(id: string): string {
  return base64(`${ROOT}passes/${id}`);
}

export function kindOf(mode: HoldRequest['mode']): LockKind {
  if (mode === 'exclusive') return 'lock';
  return mode === 'permits' ? 'semaphore' : 'read-write';
}

/** Of which kind and name a key is, a waiting writer's included; null for others. */
export function nameOf(key: string): { readonly kind: LockKind; readonly name: string } | null {
  const [root, kind, name] = text(key).split('/');
  if (`${root}/` !== ROOT || name === undefined) return null;
  if (kind === 'writers') return { kind: 'read-write', name: Buffer.from(name, 'hex').toString() };
  return kind === 'lock' || kind === 'semaphore' || kind === 'read-write' ? { kind, name: Buffer.from(name, 'hex').toString() } : null;
}

export function isOf(key: string, owner: string): boolean {
  return text(key).endsWith(`/${owner}`);
}

/** What stands at the key of a hold. */
export function holdValue({ mode, label, ...request }: HoldRequest): string {
  return base64(JSON.stringify({ mode, permits: 'permits' in request ? request.permits : 1, label }));
}

/** A value that somebody else has written is a holder without a label, whom nobody joins. */
export function holderOf({ value = '', create_revision }: KeyValue): HolderState {
  const { mode, permits, label } = parsed(text(value));
  const known = mode === 'read' || mode === 'write' || mode === 'permits' ? mode : 'exclusive';
  return {
    label: typeof label === 'string' ? label : null,
    mode: known,
    permits: typeof permits === 'number' && permits > 0 ? permits : 1,
    // A hold ends with its session.
    remainingMs: null,
    fencingToken: known === 'permits' ? null : BigInt(create_revision),
  };
}

/** The key right behind, for the next page. */
export function after(key: string): string {
  return base64(`${text(key)}\0`);
}

function parsed(json: string): { readonly mode?: unknown; readonly permits?: unknown; readonly label?: unknown } {
  try {
    return (JSON.parse(json) as object | null) ?? {};
  } catch {
    return {};
  }
}

function under(prefix: string): KeyRange {
  const last = prefix.length - 1;
  return { key: base64(prefix), range_end: base64(prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1)) };
}

function hex(value: string): string {
  return Buffer.from(value, 'utf8').toString('hex');
}

function base64(value: string): string {
  return Buffer.from(value, 'utf8').toString('base64');
}

function text(value: string): string {
  return Buffer.from(value, 'base64').toString('utf8');
}
