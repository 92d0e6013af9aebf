import process from 'node:process';
import type { LockKind } from '@holdfast/core';

/** What the commands above this one hold: names with their kinds, as JSON. */
const VARIABLE = 'HOLDFAST_HELD';

/** What a command under this lock finds in its environment, so that one below it knows. */
export function heldVariable(kind: LockKind, name: string): Readonly<Record<string, string>> {
  return { [VARIABLE]: JSON.stringify([...heldAbove(), `${kind}:${name}`]) };
}

/** Whether this command runs under a lock of the same name: on the same store, it would wait for itself. */
export function isNested(kind: LockKind, name: string): boolean {
  return heldAbove().includes(`${kind}:${name}`);
}

/** Anybody may have set it to anything; then nothing is known. */
function heldAbove(): readonly unknown[] {
  try {
    const held: unknown = JSON.parse(process.env[VARIABLE] ?? '[]');
    return Array.isArray(held) ? (held as readonly unknown[]) : [];
  } catch {
    return [];
  }
}
