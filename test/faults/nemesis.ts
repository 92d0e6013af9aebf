import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@holdfast/test/servers';
import type { Random } from '@holdfast/test/simulation';
import type { Fault, Ground } from './fault.js';
import type { Fleet } from './fleet.js';
import { type FaultEvent, type HistoryEvent, sinceStart } from './history.js';

/** A store grants again within this time after a fault is over, or has not recovered; machines that do other work are slow. */
const RECOVERY_LIMIT_MS = 60_000;
const CALM_MS: readonly [number, number] = [150, 500];
const STOP_MS: readonly [number, number] = [300, 4_000];
/** By how much a process's wall clock is set. */
const CLOCK_JUMP_MS = 60_000;

/** One thing that befalls processes, not stores. */
interface ProcessFault {
  readonly title: string;
  strike(fleet: Fleet, random: Random): Promise<void>;
}

const processFaults: readonly ProcessFault[] = [
  {
    title: 'process stopped and continued (SIGSTOP)',
    async strike(fleet, random) {
      const { script } = fleet.pick();
      script.pause();
      await sleep(random.integer(...STOP_MS));
      script.continue();
    },
  },
  { title: 'process killed (SIGKILL), another started', strike: (fleet) => fleet.replace(fleet.pick()) },
  {
    title: 'wall clock of a process set forward and back',
    async strike(fleet, random) {
      const member = fleet.pick();
      for (const offsetMs of [CLOCK_JUMP_MS, -CLOCK_JUMP_MS, 0]) {
        fleet.send(member, { order: 'set-clock', offsetMs });
        await sleep(random.integer(...CALM_MS));
      }
    },
  },
  { title: 'callers abort all that they wait for', strike: async (fleet) => fleet.send(fleet.pick(), { order: 'abort' }) },
  { title: 'managers closed while they are in use', strike: async (fleet) => fleet.send(fleet.pick(), { order: 'reopen' }) },
];

/** What is asked of a run: how often each fault at least, and until when in any case. */
export interface Pace {
  /** Each fault so many times. */
  readonly rounds: number;
  /** And then further ones until this moment, in nanoseconds since the run began. */
  readonly until: number;
  /** So many faults of each store at most; Infinity: all that there are. */
  readonly most: number;
}

/** Disturbs stores and processes, and writes down when. */
export class Nemesis {
  readonly events: HistoryEvent[] = [];
  /** Stores that granted nothing after a fault was over, a text each. */
  readonly complaints: string[] = [];
  readonly #fleet: Fleet;
  readonly #startNs: bigint;
  readonly #random: Random;
  readonly #log: (line: string) => void;

  constructor(fleet: Fleet, startNs: bigint, random: Random, log: (line: string) => void) {
    this.#fleet = fleet;
    this.#startNs = startNs;
    this.#random = random;
    this.#log = log;
  }

  /** Every fault of one store, one after another in an order of the seed's; each only when the store grants again. */
  async disturb(target: string, { faults }: Ground, pace: Pace): Promise<void> {
    await this.#rounds(faults, pace, async (fault) => {
      await this.#during(fault, target);
      const granted = this.#fleet.grants(target);
      await until(`${target} grants`, () => this.#fleet.grants(target) > granted, { timeoutMs: RECOVERY_LIMIT_MS, everyMs: 20 }).catch(
        () => {
          this.complaints.push(`${target} granted nothing for ${RECOVERY_LIMIT_MS} ms after "${fault.title}" was over`);
        },
      );
    });
  }

  /** Every fault of processes likewise. */
  async disturbProcesses(pace: Pace): Promise<void> {
    await this.#rounds(processFaults, pace, async (fault) => {
      this.#note({ what: 'fault', fault: fault.title, target: null, forgets: false });
      await fault.strike(this.#fleet, this.#random);
      this.#note({ what: 'healed', fault: fault.title, target: null });
    });
  }

  async #during(fault: Fault, target: string): Promise<void> {
    this.#note({ what: 'fault', fault: fault.title, target, forgets: fault.forgets });
    try {
      await fault.begin();
      await sleep(this.#random.integer(...fault.lastsMs));
    } finally {
      await fault.heal();
      this.#note({ what: 'healed', fault: fault.title, target });
    }
  }

  async #rounds<T>(faults: readonly T[], pace: Pace, strike: (fault: T) => Promise<void>): Promise<void> {
    for (let round = 0; round < pace.rounds || sinceStart(this.#startNs) < pace.until; round += 1) {
      for (const fault of this.#shuffled(faults).slice(0, pace.most)) {
        await sleep(this.#random.integer(...CALM_MS));
        await strike(fault);
        if (round >= pace.rounds && sinceStart(this.#startNs) >= pace.until) return;
      }
    }
  }

  #shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, place: this.#random.random() }))
      .sort((a, b) => a.place - b.place)
      .map(({ item }) => item);
  }

  #note(event: FaultEvent): void {
    this.events.push({ ...event, at: sinceStart(this.#startNs), process: 'nemesis' });
    this.#log(`${event.target ?? 'processes'}: ${event.what === 'fault' ? event.fault : `over: ${event.fault}`}`);
  }
}
