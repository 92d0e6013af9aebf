import { createLockManager, isLockError, type LockBackend, type LockManager } from '@holdfast/core';
import { createMemoryBackend, createMemoryStore } from '@holdfast/core/memory';
import { createJobLockManager, type JobLockManager } from '@holdfast/jobs';
import { createMigratingLockManager, type MigratingLockManager, type MigrationPhase } from '@holdfast/migration';
import { calm, Machine, Network, type Weather, World } from '@holdfast/test/simulation';
import { SimulatedDeployment } from '../../packages/redlock/test/simulator/simulated-deployment.js';
import { overNetwork } from './over-network.js';

export type SideKind = 'memory' | 'redlock';

/** What differs from one simulation to another, besides its seed. */
export interface FleetOptions {
  readonly from: SideKind;
  readonly to: SideKind;
  /** Leaves out the phase that holds both: what the simulation has to see. */
  readonly skipsBoth?: boolean | undefined;
}

export interface FleetOutcome {
  readonly violations: readonly string[];
  /** How many tasks have begun, and how many runs have come to their end in order. */
  readonly begun: number;
  readonly ran: number;
}

const COMMAND_MS = 400;
const PROCESSES = 3;
/** When faults stop; and when everything that has begun by then must have ended. */
const QUIET_MS = 6_000;
const END_MS = 60_000;
/** Longer than any simulation. */
const WINDOW_MS = 1_000_000;

interface Run {
  readonly process: number;
  /** Whether its process may still believe in its lease, and is at work. */
  isAtWork: () => boolean;
}

interface Process {
  readonly number: number;
  readonly machine: Machine;
  readonly locks: MigratingLockManager;
  readonly jobs: JobLockManager;
}

/**
 * Processes of one service that move from one store to another, one after the other, while they run jobs, set marks and have their wall
 * clocks set, over a network that is late and loses messages.
 */
export class SimulatedFleet {
  readonly #world: World;
  readonly #options: FleetOptions;
  readonly #processes: readonly Process[];
  readonly #network: Network;
  readonly #violations: string[] = [];
  readonly #atWork = new Map<string, Run[]>();
  readonly #started = new Map<string, number>();
  /** Runs that were reported as done, so that nothing of that name may begin any more. */
  readonly #done = new Set<string>();
  readonly #marksWon = new Map<string, number>();
  /** By process: how many calls have not settled. */
  readonly #pending = new Map<number, number>();
  #begun = 0;
  #ran = 0;

  constructor(seed: number, options: FleetOptions) {
    this.#world = new World(seed);
    this.#options = options;
    this.#network = new Network(this.#world, weatherOf(this.#world), seed);
    const [from, to] = [this.#storeOf(options.from), this.#storeOf(options.to)];
    this.#processes = Array.from({ length: PROCESSES }, (_, number) => this.#newProcess(number, from, to));
  }

  async run(): Promise<FleetOutcome> {
    const world = this.#world;
    for (const { machine } of this.#processes) {
      if (world.chance(0.5)) world.later(world.between(0, QUIET_MS), () => machine.jumpWall(world.pick([-3_600_000, -500, 500, 60_000])));
      if (world.chance(0.2)) world.later(world.between(0, QUIET_MS), () => machine.kill());
    }
    // Marks of `from` alone are unknown in `to`: each half has names of its own.
    this.#work('early', 0, 2_000);
    this.#move('both', 200, 1_800, () =>
      this.#whenIdle(2_000, () => {
        this.#work('late', 0, 2_000);
        this.#move(world.pick(['to', 'to', 'from']), 200, 1_800, () => {});
      }),
    );
    await world.run(QUIET_MS);
    this.#network.weather = calm;
    await world.run(END_MS);
    for (const { number, machine } of this.#processes)
      if (!machine.isDead && this.#pending.has(number)) this.#violations.push(`calls of ${number} have not settled`);
    return { violations: this.#violations, begun: this.#begun, ran: this.#ran };
  }

  // --- what the processes do

  /** Each of them has a few runs, and sets a few marks, at random moments. */
  #work(epoch: string, fromMs: number, toMs: number): void {
    const world = this.#world;
    for (const process of this.#processes) {
      for (const guarantee of ['at-least-once', 'at-most-once'] as const) {
        for (let left = world.integer(1, 3); left > 0; left--)
          this.#at(process, world.between(fromMs, toMs), () => this.#runOnce(process, `${epoch} ${guarantee}`, guarantee));
      }
      this.#at(process, world.between(fromMs, toMs), () => this.#setMark(process, `${epoch} mark`));
    }
  }

  /** All processes change their phase, one after the other; then goes on. */
  #move(phase: MigrationPhase, fromMs: number, toMs: number, then: () => void): void {
    let left = this.#processes.length;
    for (const process of this.#processes) {
      const atMs = this.#world.between(fromMs, toMs);
      const moved = (): void => {
        left -= 1;
        if (left === 0) then();
      };
      // One that was killed has moved, too: nobody is left behind in the old phase.
      this.#world.later(atMs, () => {
        if (process.machine.isDead) return moved();
        process.machine.reach(() => void process.locks.setPhase(phase).then(moved));
        this.#world.later(2 * QUIET_MS, () => {
          if (process.machine.isDead) moved();
        });
      });
    }
  }

  /** When everything that the living have begun has settled, from that moment on. */
  #whenIdle(fromMs: number, then: () => void): void {
    const isIdle =
      this.#world.now >= fromMs && this.#processes.every(({ number, machine }) => machine.isDead || !this.#pending.has(number));
    if (isIdle) then();
    else this.#world.later(50, () => this.#whenIdle(fromMs, then));
  }

  async #runOnce(process: Process, name: string, guarantee: 'at-least-once' | 'at-most-once'): Promise<void> {
    const options = { windowMs: WINDOW_MS, guarantee, ttlMs: this.#world.pick([900, 3_000]) };
    const taskMs = this.#world.between(0, 600);
    const result = await process.jobs.runOnce(name, options, async (lease) => {
      this.#begun += 1;
      let isOver = false;
      this.#begin(name, guarantee, { process: process.number, isAtWork: () => !isOver && !process.machine.isDead && lease.isHeld });
      await this.#sleep(process, taskMs);
      isOver = true;
    });
    if (!result.ran) return;
    this.#ran += 1;
    this.#done.add(name);
  }

  async #setMark(process: Process, name: string): Promise<void> {
    const isFirst = await process.locks.marks?.set(name, { retentionMs: WINDOW_MS, owner: `process ${process.number}` });
    if (isFirst !== true) return;
    const won = (this.#marksWon.get(name) ?? 0) + 1;
    this.#marksWon.set(name, won);
    if (won > 1) this.#violations.push(`${name} was set ${won} times`);
  }

  // --- what must be so

  #begin(name: string, guarantee: string, run: Run): void {
    const now = this.#world.now.toFixed(0);
    const runs = this.#atWork.get(name) ?? [];
    const other = runs.find(({ isAtWork }) => isAtWork());
    if (other !== undefined) this.#violations.push(`${now}: ${name} begins on ${run.process} while ${other.process} is at work`);
    this.#atWork.set(name, [...runs, run]);
    if (this.#done.has(name)) this.#violations.push(`${now}: ${name} begins on ${run.process} although it is done`);
    const started = (this.#started.get(name) ?? 0) + 1;
    this.#started.set(name, started);
    if (guarantee === 'at-most-once' && started > 1) this.#violations.push(`${now}: ${name} begins a second time`);
  }

  // --- how

  #at(process: Process, atMs: number, call: () => Promise<void>): void {
    this.#world.later(atMs, () => {
      process.machine.reach(() => {
        this.#pending.set(process.number, (this.#pending.get(process.number) ?? 0) + 1);
        const settled = (): void => {
          const left = (this.#pending.get(process.number) ?? 1) - 1;
          if (left > 0) this.#pending.set(process.number, left);
          else this.#pending.delete(process.number);
        };
        call().then(settled, (error: unknown) => {
          settled();
          if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !isLockError(error, 'LOCK_LOST')) this.#violations.push(String(error));
        });
      });
    });
  }

  #sleep({ machine }: Process, ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#world.later(ms, () => machine.reach(resolve));
    });
  }

  #newProcess(number: number, from: Store, to: Store): Process {
    const world = this.#world;
    const machine = new Machine(world, 1 + world.between(-0.005, 0.005), world.between(-2_000, 2_000));
    const open = (store: Store): LockManager => createLockManager(store(machine), { clock: machine.clock, commandTimeoutMs: COMMAND_MS });
    const locks = createMigratingLockManager({ from: open(from), to: open(to), phase: 'from', clock: machine.clock, label: `${number}` });
    if (this.#options.skipsBoth === true) {
      const late = createMigratingLockManager({ from: open(from), to: open(to), phase: 'to', clock: machine.clock, label: `${number}` });
      return { number, machine, locks: number === 0 ? late : locks, jobs: createJobLockManager(number === 0 ? late : locks) };
    }
    return { number, machine, locks, jobs: createJobLockManager(locks) };
  }

  #storeOf(kind: SideKind): Store {
    const world = this.#world;
    if (kind === 'redlock') {
      const deployment = new SimulatedDeployment(world, this.#network);
      return (machine) => deployment.connect(machine);
    }
    const server = new Machine(world, 1 + world.between(-0.005, 0.005), 0);
    const store = createMemoryStore({ clock: server.clock });
    return (machine) => overNetwork(createMemoryBackend({ store, fair: false }), this.#network, machine);
  }
}

type Store = (machine: Machine) => LockBackend;

function weatherOf(world: World): Weather {
  return {
    ...calm,
    slowestMs: world.pick([2, 20, 60]),
    straggles: world.chance(0.4) ? 0 : world.between(0, 0.2),
    stragglesMs: world.pick([300, 1_000]),
    loses: world.chance(0.3) ? 0 : world.between(0, 0.15),
    noticesMs: 1_000,
  };
}
