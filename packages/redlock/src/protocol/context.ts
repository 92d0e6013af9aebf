import type { Clock, DifferentLimit, HoldRef } from '@holdfast/core';
import type { Cleaner } from './cleaner.js';
import type { FreedVotes } from './freed-votes.js';
import type { HoldTable } from './hold-table.js';
import type { RedlockNode } from './node.js';
import type { NodeWatch } from './node-watch.js';
import type { ValidityRule } from './validity.js';

/** What decides how the protocol runs; all clients of a deployment must agree on `quorum` and `maxTtlMs`. */
export interface ProtocolSettings {
  readonly quorum: number;
  readonly maxTtlMs: number;
  readonly driftFactor: number;
  /** How long one node is waited for. */
  readonly nodeTimeoutMs: number;
  readonly validity: ValidityRule;
}

/** What the steps of the protocol share. */
export interface ProtocolContext {
  readonly nodes: readonly RedlockNode[];
  readonly settings: ProtocolSettings;
  /** For what goes on in the background; a call brings its own. */
  readonly clock: Clock;
  readonly holds: HoldTable;
  readonly cleaner: Cleaner;
  readonly freedVotes: FreedVotes;
  readonly watch: NodeWatch;
  /** A hold is known to be lost whose holder has not asked for it. */
  readonly onLost: (hold: HoldRef) => void;
  /** A node has shown that a holder of a semaphore goes by another limit than the request. */
  readonly onLimitDiffers: (seen: DifferentLimit) => void;
}

/** How long one node is waited for, where a call has so much time left. */
export function stepMs({ nodeTimeoutMs }: ProtocolSettings, leftMs: number): number {
  return Math.max(1, Math.min(nodeTimeoutMs, leftMs));
}
