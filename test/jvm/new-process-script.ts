import { setTimeout as sleep } from 'node:timers/promises';
import type { AcquireOptions, Lease, LockManager, TryOptions } from '@holdfast/core';
import type { MigrationPhase } from '@holdfast/migration';
import { Random } from '@holdfast/test/simulation';
import { type Surroundings, takeTurn } from '../faults/caller.js';
import type { HoldMode } from '../faults/history.js';
import type { Way } from '../faults/objects.js';
import { Recorder } from '../faults/recorder.js';
import { objectId } from '../faults/verdict.js';
import { asksOf, type Move, moves, PERMITS, type Stores, type System } from './moves.js';

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
  const ways = names.flatMap((name) => waysOf(manager, system, name));
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

function waysOf(manager: LockManager, system: System, name: string): Way[] {
  const { kind = 'lock' }: Move = moves[system];
  const object = objectId(system, kind, name, kind === 'semaphore' ? PERMITS : undefined);
  return asksOf[kind].map((ask): Way => {
    const [mode, count] = ask.split(':') as [HoldMode, string];
    const permits = Number(count);
    const from = askable(manager, name, mode, permits);
    return {
      parts: [{ object, mode, permits }],
      register: null,
      tries: 0.1,
      acquire: async (options) => [withoutToken(await from.acquire(options))],
      tryAcquire: async (options) => {
        const lease = await from.tryAcquire(options);
        return [lease === null ? null : withoutToken(lease)];
      },
    };
  });
}

interface Askable {
  acquire(options: AcquireOptions): Promise<Lease>;
  tryAcquire(options: TryOptions): Promise<Lease | null>;
}

function askable(manager: LockManager, name: string, mode: HoldMode, permits: number): Askable {
  if (mode === 'exclusive') {
    return { acquire: (options) => manager.acquire(name, options), tryAcquire: (options) => manager.tryAcquire(name, options) };
  }
  if (mode !== 'permits') return manager.readWriteLock(name)[mode];
  const semaphore = manager.semaphore(name, { permits: PERMITS });
  return {
    acquire: (options) => semaphore.acquire({ ...options, permits }),
    tryAcquire: (options) => semaphore.tryAcquire({ ...options, permits }),
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
