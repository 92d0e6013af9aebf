import type { LockManager, ManagerOptions } from '../index.js';
import type { ConformanceFaults, FaultName } from './harness.js';
import { type CapabilityName, type LevelName, levelOfCase } from './levels.js';
import { type Rule, ruleOfCase } from './rules.js';
import type { Wire } from './wire/case-wire.js';

/** What the body of a case works with. */
export interface World<F extends FaultName = FaultName> {
  /** The manager under test, made with the options of the case. */
  readonly manager: LockManager;
  /** One more independent client of the same store. */
  peer(options?: ManagerOptions): Promise<LockManager>;
  /** What can be done to the store: the faults that the case names. */
  readonly faults: Pick<Required<ConformanceFaults>, F>;
  /** What is between the manager and its store, in a case that asks for it. */
  readonly wire: Wire;
  /** A fresh random name, ending in `suffix`. */
  name(suffix?: string): string;
}

/** One statement about every lock manager, as plain data. */
export interface ConformanceCase {
  /** Stable: `topic/what-is-so`. */
  readonly id: string;
  /** What its id begins with: cases of one topic are reported together. */
  readonly topic: string;
  /** What is so, as a sentence. */
  readonly title: string;
  /** What it checks, why that matters, and where to look when it fails. */
  readonly rule: Rule;
  /** The level that requires it. */
  readonly level: LevelName;
  /** Where the backend lacks one of these, the case checks instead that it says so. */
  readonly needs: readonly CapabilityName[];
  /** Where the harness lacks one of these, the case is not registered. */
  readonly faults: readonly FaultName[];
  /** Goes over the suite's wire: where the harness calls no `via` it is not applicable. */
  readonly needsWire: boolean;
  /** Options of `world.manager`. */
  readonly options: ManagerOptions;
  /** A case that takes longer has failed. */
  readonly timeoutMs: number;
  /** Runs the case; rejects when the backend fails it. `runConformanceCase` makes the world and clears it away. */
  run(world: World): Promise<void>;
}

/** How a case is written down; what is not given has the obvious default. */
export interface CaseSpec<F extends FaultName> {
  readonly title: string;
  readonly needs?: readonly CapabilityName[];
  readonly faults?: readonly F[];
  /** @default false */
  readonly needsWire?: boolean;
  readonly options?: ManagerOptions;
  /** @default 15_000, far above what any case takes: it only ends a hang */
  readonly timeoutMs?: number;
  run(world: CaseWorld<F>): Promise<void>;
}

/** A world with a name for the lock that most cases are about. */
interface CaseWorld<F extends FaultName> extends World<F> {
  readonly lock: string;
}

/** Makes a case; `world.faults` has exactly what `spec.faults` names. */
export function conformanceCase<const F extends FaultName = never>(id: string, spec: CaseSpec<F>): ConformanceCase {
  const rule = ruleOfCase(id);
  const needs = spec.needs ?? [];
  return {
    id,
    topic: id.slice(0, id.indexOf('/')),
    title: spec.title,
    rule,
    level: levelOfCase(needs, rule.level),
    needs,
    faults: spec.faults ?? [],
    needsWire: spec.needsWire ?? false,
    options: spec.options ?? {},
    timeoutMs: spec.timeoutMs ?? 15_000,
    run: ({ manager, peer, faults, wire, name }) => spec.run({ manager, peer, faults, wire, name, lock: name() }),
  };
}
