import { createLockManager, type LockBackend, type LockManager } from '@holdfast/core';
import { Machine, type World } from '@holdfast/test/simulation';
import type { History } from './history.js';
import { altered, type Mutant } from './mutant.js';
import type { ClientPlan } from './scenario.js';

export const COMMAND_MS = 400;
const UNAVAILABLE_MS = 1_500;
/** Who was to be killed behind a renewal, and sent none that was late, is killed then. */
const LAST_END_MS = 3_500;

/** One process and its manager. */
export class SimulatedClient {
  readonly number: number;
  readonly name: string;
  readonly plan: ClientPlan;
  readonly machine: Machine;
  /** How many of its messages a network without faults would have treated otherwise. */
  faults = 0;
  /** When it was killed. */
  diedAt = Number.POSITIVE_INFINITY;
  isClosing = false;
  isClosed = false;
  #manager: LockManager<bigint> | null = null;
  /** By their time: what is done in one turn. */
  readonly #turns = new Map<number, (() => void)[]>();
  readonly #world: World;
  readonly #history: History;

  constructor(number: number, plan: ClientPlan, world: World, history: History) {
    this.number = number;
    this.name = `client ${number}`;
    this.plan = plan;
    this.#world = world;
    this.#history = history;
    this.machine = new Machine(world, plan.rate, plan.skewMs);
    for (const fault of plan.faults) world.later(fault.at, () => this.#suffer(fault));
    if (plan.end !== null) world.later(plan.end.how === 'crash-behind-renewal' ? LAST_END_MS : plan.end.at, () => this.#end());
  }

  get manager(): LockManager<bigint> {
    if (this.#manager === null) throw new Error(`${this.name} has not begun`);
    return this.#manager;
  }

  /** It has gone, or is about to. */
  get isGone(): boolean {
    return this.isClosing || this.machine.isDead;
  }

  begin(backend: LockBackend<bigint>, mutant: Mutant): void {
    const manager = createLockManager(backend, {
      clock: mutant.clock?.(this.machine) ?? this.machine.clock,
      commandTimeoutMs: COMMAND_MS,
      unavailableAfterMs: UNAVAILABLE_MS,
      label: this.name,
      ...(this.#history.isOn && {
        onEvent: (event) => {
          if (event.type !== 'granted' && event.type !== 'not-granted')
            this.#history.add(
              this.name,
              () => `${event.label}: ${event.type} ${event.kind} ${event.name}${'reason' in event ? `, ${event.reason}` : ''}`,
            );
        },
      }),
    });
    this.#manager = altered(manager, mutant.manager);
  }

  /** Something happened to a message of its own that a network without faults would not have done. */
  suffered(isRenewal = false): void {
    this.faults += 1;
    const { end } = this.plan;
    if (isRenewal && end?.how === 'crash-behind-renewal' && end.at <= this.#world.now) this.#world.later(0, () => this.#end());
  }

  /** Something that a caller does in `ms`, while the process runs. */
  later(ms: number, run: () => void): void {
    const { turnMs } = this.plan;
    if (turnMs === 0) {
      this.#world.later(ms, () => this.machine.reach(run));
      return;
    }
    const at = Math.ceil((this.#world.now + ms) / turnMs) * turnMs;
    const turn = this.#turns.get(at);
    if (turn !== undefined) {
      turn.push(run);
      return;
    }
    this.#turns.set(at, [run]);
    this.#world.later(at - this.#world.now, () => {
      const due = this.#turns.get(at) ?? [];
      this.#turns.delete(at);
      this.machine.reach(() => {
        for (const each of due) each();
      });
    });
  }

  async close(drainMs: number): Promise<void> {
    this.isClosing = true;
    this.#history.add(this.name, () => `closes, drains for ${drainMs} ms`);
    await this.manager.close({ drainMs });
    this.#history.add(this.name, () => 'is closed');
    this.isClosed = true;
  }

  #suffer({ what, ms }: ClientPlan['faults'][number]): void {
    if (this.machine.isDead) return;
    this.faults += 1;
    this.#history.add(this.name, () =>
      what === 'pause' ? `stands still for ${ms.toFixed(0)} ms` : `has its wall clock moved by ${ms} ms`,
    );
    if (what === 'pause') this.machine.pause(ms);
    else this.machine.jumpWall(ms);
  }

  #end(): void {
    const { end } = this.plan;
    if (end === null || this.isGone) return;
    if (end.how === 'close') {
      this.machine.reach(() => void this.close(end.drainMs));
      return;
    }
    this.#history.add(this.name, () => 'is killed');
    this.machine.kill();
    this.diedAt = this.#world.now;
  }
}
