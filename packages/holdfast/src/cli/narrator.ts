import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { LockEvent } from '@holdfast/core';
import { showDuration } from './duration.js';
import type { Output } from './output.js';
import { quoted } from './printable.js';

const TYPES = ['waiting', 'granted', 'renewed', 'renew-failed', 'released'] as const;

/** For `--verbose`: reports what becomes of the locks of this process. Permanent failures are reported without it. @returns what ends that */
export function narrate(output: Output): () => void {
  const listeners = TYPES.map((type) => {
    const listener = (event: unknown): void => {
      const line = describe(event as LockEvent, output);
      if (line !== null) output.tell(line, 'dim');
    };
    subscribe(`holdfast:${type}`, listener);
    return () => unsubscribe(`holdfast:${type}`, listener);
  });
  return () => {
    for (const stop of listeners) stop();
  };
}

function describe(event: LockEvent, output: Output): string | null {
  switch (event.type) {
    case 'waiting':
      return `${quoted(event.name)} is busy; waiting`;
    case 'granted': {
      const token = event.fencingToken === null ? '' : `, token ${event.fencingToken}`;
      return `${quoted(event.name)} is held (${event.mode}) after ${showDuration(event.waitedMs)}${token}`;
    }
    case 'renewed':
      return `${quoted(event.name)} is renewed; ${showDuration(event.remainingMs)} were left`;
    case 'renew-failed':
      return `${quoted(event.name)} could not be renewed, and is held for another ${showDuration(event.remainingMs)}: ${output.scrub(event.error.message)}`;
    case 'released':
      return `${quoted(event.name)} is given back after ${showDuration(event.heldMs)}`;
    default:
      return null;
  }
}
