import { EPOCH_MS, Machine, Network, Violation, type Weather, World } from '@holdfast/test/simulation';
import { majorityOf } from '../../src/protocol/quorum.js';
import { hintBoundMicros, quarantineMs } from '../../src/protocol/validity.js';
import { RedlockBackend } from '../../src/redlock-backend.js';
import { Ledger } from './ledger.js';
import { type Mutant, unbroken } from './mutants.js';
import { DRIFT_FACTOR, NAME, NODE_TIMEOUT_MS, SimulatedClient } from './simulated-client.js';
import { modeOfKind, SimulatedLink, type SimulatedServer } from './simulated-link.js';
import { SimulatedNode } from './simulated-node.js';

const MAX_TTL_MS = 200;
/** A client that is still at work then never ends. */
const END_MS = 60_000;

/** What one seed came to. */
export interface Outcome {
  readonly seed: number;
  readonly grants: number;
  readonly violation: Violation | null;
}

/** Runs one seed: real clients over simulated nodes. The same seed does the same, whatever machine it runs on. */
export async function simulate(seed: number, mutant: Mutant = unbroken): Promise<Outcome> {
  const simulation = new Simulation(seed, mutant);
  try {
    await simulation.run();
    return { seed, grants: simulation.grants, violation: null };
  } catch (error) {
    if (error instanceof Violation) return { seed, grants: simulation.grants, violation: error };
    throw error;
  }
}

class Simulation {
  readonly #world: World;
  readonly #mutant: Mutant;
  readonly #servers: readonly SimulatedServer[];
  readonly #clocks: { offsetMs: number; readonly rate: number }[] = [];
  readonly #weather: Weather;
  readonly #network: Network;
  readonly #kind: 'lock' | 'read-write' | 'semaphore';
  readonly #limit: number;
  /** Clocks of nodes that jump further than the protocol can bear: then only the tokens are promised. */
  readonly #isWild: boolean;
  /** Operators free what is held: then exclusion is not promised either. */
  readonly #isForced: boolean;
  readonly #isBusy: boolean;
  readonly #ledger: Ledger;
  readonly #wakes = new Map<string, (node: number, wakeKey: string) => void>();
  #working = 0;
  #violation: Violation | null = null;

  constructor(seed: number, mutant: Mutant) {
    const world = new World(seed);
    this.#world = world;
    this.#mutant = mutant;
    this.#isWild = world.chance(0.1);
    this.#isForced = !this.#isWild && world.chance(0.3);
    this.#kind = this.#isForced ? 'lock' : world.pick(['lock', 'lock', 'lock', 'read-write', 'semaphore', 'semaphore'] as const);
    this.#limit = world.integer(1, 3);
    this.#isBusy = this.#kind === 'semaphore' && world.chance(0.5);
    this.#ledger = new Ledger(this.#limit, !this.#isWild && !this.#isForced);
    const isCalm = world.chance(0.3);
    const isLossy = this.#kind === 'semaphore' && world.chance(0.5);
    this.#weather = {
      fastestMs: 0.1,
      slowestMs: this.#isForced ? 2 : isCalm ? 1 : world.between(2, 30),
      straggles: this.#isForced ? 0.5 : isCalm ? 0 : world.between(0, 0.2),
      stragglesMs: this.#isForced ? 50 : 200,
      loses: isLossy ? 0.25 : world.chance(0.5) ? world.between(0, 0.1) : 0,
      duplicates: this.#isForced ? 0.9 : world.chance(0.5) ? world.between(0, 0.15) : 0,
      secondAnswers: 0,
      noticesMs: Number.POSITIVE_INFINITY,
      abandons: 0,
    };
    this.#network = new Network(world, this.#weather);
    this.#servers = Array.from({ length: this.#isForced ? 3 : world.pick([3, 3, 3, 3, 4, 5, 1]) }, (_, index) => this.#newServer(index));
  }

  get grants(): number {
    return this.#ledger.count;
  }

  async run(): Promise<void> {
    const world = this.#world;
    const clients = this.#kind === 'semaphore' ? world.integer(3, 5) : world.integer(2, 4);
    for (let client = 0; client < clients; client++) this.#startClient(client);
    for (let event = this.#isForced ? 0 : world.integer(0, 3); event > 0; event--)
      world.later(world.between(0, 400), () => this.#disturb());
    if (this.#isForced) for (let event = world.integer(20, 60); event > 0; event--) world.later(world.between(0, 120), () => this.#force());
    await world.run(END_MS);
    if (this.#violation !== null) throw this.#violation;
    if (this.#working > 0) throw new Violation('settles', `${this.#working} clients wait for ever`);
    // The last vote has ended when every straggler has come and its time has run out.
    world.now = Math.max(world.now, END_MS) + 1000;
    const left = this.#servers.filter(({ node }) => node.standing > 0).length;
    if (left > 0) throw new Violation('leftovers', `${left} nodes have votes that nobody knows of`);
  }

  #newServer(index: number): SimulatedServer {
    const world = this.#world;
    const clock = { offsetMs: world.between(-10, 10), rate: 1 + world.between(-0.003, 0.003) };
    this.#clocks.push(clock);
    const node = new SimulatedNode({
      maxTtlMs: MAX_TTL_MS,
      quarantineMs: quarantineMs(MAX_TTL_MS),
      hintBoundMicros: hintBoundMicros(MAX_TTL_MS),
      clock: () => Math.floor((EPOCH_MS + clock.offsetMs + world.now * clock.rate) * 1000),
      publish: (id, wakeKey) => {
        const wake = this.#wakes.get(id);
        if (wake === undefined) return false;
        world.later(world.between(0, this.#weather.slowestMs), () => wake(index, wakeKey));
        return true;
      },
      rules: this.#mutant.rules,
    });
    node.status('open');
    return { node, isUp: true, losses: 0 };
  }

  /** A server restarts with all its data, with an older state of it, or with none, is emptied, or its clock jumps. */
  #disturb(): void {
    const world = this.#world;
    const index = world.integer(0, this.#servers.length - 1);
    const server = this.#servers[index];
    const clock = this.#clocks[index];
    if (server === undefined || clock === undefined) return;
    if (this.#isWild) {
      clock.offsetMs += world.between(-500, 500);
      return;
    }
    const what = world.integer(0, 4);
    if (what === 0) {
      // Back only, and little: a jump ahead ends holds before their time.
      clock.offsetMs -= world.between(0, 20);
    } else if (what === 1) {
      server.node.empty();
      server.losses += 1;
    } else {
      const load = what === 2 ? server.node.save() : null;
      const older = what === 3 ? server.node.save() : null;
      world.later(older === null ? 0 : world.between(0, 50), () => {
        server.isUp = false;
        world.later(world.between(0, 100), () => {
          if (load === null) server.losses += 1;
          server.node.restart(load ?? older);
          server.isUp = true;
        });
      });
    }
  }

  #force(): void {
    const mode = modeOfKind(this.#kind);
    const { node, isUp } = this.#world.pick(this.#servers);
    if (isUp) node.forceRelease('', NAME, mode);
  }

  #startClient(client: number): void {
    const world = this.#world;
    // A client's clock may be anywhere: only nodes' clocks count.
    const skew = world.chance(0.3) ? world.between(-3000, 3000) : world.between(-25, 25);
    const machine = new Machine(world, 1 + world.between(-0.003, 0.003), skew);
    const id = `c${client}`;
    let tokens = 0;
    const links: SimulatedLink[] = [];
    const backend = new RedlockBackend({
      settings: {
        quorum: majorityOf(this.#servers.length),
        maxTtlMs: MAX_TTL_MS,
        driftFactor: DRIFT_FACTOR,
        nodeTimeoutMs: NODE_TIMEOUT_MS,
        validity: this.#mutant.validity,
      },
      clock: machine.clock,
      connect: (targetOf) => {
        const targets = this.#servers.map((_, index) => targetOf(index));
        this.#wakes.set(id, (node, wakeKey) => machine.reach(() => targets[node]?.onWake(wakeKey)));
        return this.#servers.map((server, index) => {
          const link = new SimulatedLink(`node ${index + 1}`, this.#network, machine, server, id);
          if (this.#mutant.skipsConfirm) link.confirm = async (requests) => requests.map(() => true);
          links.push(link);
          return link;
        });
      },
      newToken: () => (tokens++).toString(16).padStart(32, String(client)),
    });
    if (world.chance(0.3))
      for (let pause = world.integer(1, 3); pause > 0; pause--)
        world.later(world.between(0, 500), () => machine.pause(world.between(1, 250)));
    const simulated = new SimulatedClient({
      world,
      machine,
      backend,
      ledger: this.#ledger,
      number: client,
      kind: this.#kind,
      limit: this.#limit,
      links,
      isBusy: this.#isBusy,
    });
    // Tasks of one client pass permits on to each other.
    for (let tasks = this.#isBusy ? 3 : 1; tasks > 0; tasks--) this.#work(simulated, client);
  }

  #work(simulated: SimulatedClient, client: number): void {
    this.#working += 1;
    simulated.work().then(
      () => {
        this.#working -= 1;
      },
      (error: unknown) => {
        this.#violation ??= error instanceof Violation ? error : new Violation('error', `client ${client}: ${String(error)}`);
      },
    );
  }
}
