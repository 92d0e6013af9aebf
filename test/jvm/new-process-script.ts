import { setTimeout as sleep } from 'node:timers/promises';
import type { Lease, LockManager } from '@holdfast/core';
import type { MigrationPhase } from '@holdfast/migration';
import { Random } from '@holdfast/test/simulation';
import { type Surroundings, takeTurn } from '../faults/caller.js';
import type { Way } from '../faults/objects.js';
import { Recorder } from '../faults/recorder.js';
import { objectId } from '../faults/verdict.js';
import { moves, type Stores, type System } from './moves.js';

// A Node process of a move: it takes locks and writes down when, until it is told to stop.

export interface NewProcessSettings {
  readonly system: System;
  readonly phase: MigrationPhase;
  readonly stores: Stores;
  readonly process: string;
  readonly file: string;
  readonly startNs: string;
  readonly names: readonly string[];
}

export type NewProcessOrder = NewProcessSettings | 'stop';
export interface NewProcessReport {
  /** Outcomes that are no part of a move. */
  readonly unexpected: readonly string[];
}

const CALLERS = 2;
const LONGEST_PAUSE_MS = 4;
let isStopping = false;

async function run(settings: NewProcessSettings): Promise<void> {
  const { system, phase, stores, names, process: name, file, startNs } = settings;
  const manager = moves[system].open(stores, phase);
  const unexpected: string[] = [];
  const never = new AbortController();
  const around: Surroundings = {
    process: name,
    recorder: new Recorder(file, name, BigInt(startNs)),
    random: new Random(Number(name.replace(/\D/g, '')) + 1),
    abort: () => never.signal,
    ask: () => Promise.reject(new Error('a move has no register')),
    granted: () => {},
    unexpected: (what) => unexpected.push(what),
  };
  const ways = names.map((lock) => wayOf(manager, system, lock));
  const call = async (): Promise<void> => {
    while (!isStopping) {
      await takeTurn(around.random.pick(ways), false, around);
      await sleep(LONGEST_PAUSE_MS * around.random.random());
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, call));
  await manager.close();
  process.send?.({ unexpected } satisfies NewProcessReport);
  process.disconnect();
}

function wayOf(manager: LockManager, system: System, name: string): Way {
  return {
    parts: [{ object: objectId(system, 'lock', name), mode: 'exclusive', permits: 1 }],
    register: null,
    tries: 0.1,
    acquire: async (options) => [withoutToken(await manager.acquire(name, options))],
    tryAcquire: async (options) => {
      const lease = await manager.tryAcquire(name, options);
      return [lease === null ? null : withoutToken(lease)];
    },
  };
}

/** The old side has no tokens, and those of the new side do not rise over a phase without any. */
function withoutToken(lease: Lease): Lease<null> {
  return {
    name: lease.name,
    kind: lease.kind,
    mode: lease.mode,
    fencingToken: null,
    signal: lease.signal,
    get isHeld() {
      return lease.isHeld;
    },
    get remainingMs() {
      return lease.remainingMs;
    },
    assertHeld: () => lease.assertHeld(),
    extend: (ttlMs) => lease.extend(ttlMs),
    release: () => lease.release(),
    [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
  };
}

process.on('message', (order: NewProcessOrder) => {
  if (order === 'stop') isStopping = true;
  else void run(order);
});
process.once('disconnect', () => process.exit(0));
