import type { HoldRequest } from '@holdfast/core';
import { type KeySpace, letterOf, type ModeLetter, type NameKeys } from './key-space.js';

/** What this backend's waiters for one name, mode and number of permits have in common. */
export interface WaitPlace {
  readonly name: string;
  readonly mode: ModeLetter;
  readonly keys: NameKeys;
  /** Their place among the waiters on the server; '' for none. */
  readonly member: string;
}

export function waitPlaceOf(request: HoldRequest, keySpace: KeySpace, managerId: string): WaitPlace {
  const mode = letterOf[request.mode];
  const [permits, limit] = request.mode === 'permits' ? [request.permits, request.limit] : [1, 1];
  return { name: request.name, mode, keys: keySpace.keysOf(request.name, mode), member: `p${managerId}:${mode}:${permits}:${limit}` };
}

/** The same for those who wait for the same. */
export function idOf({ keys, member }: WaitPlace): string {
  return `${member} ${keys.keys[0]}`;
}
