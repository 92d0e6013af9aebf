import { EPOCH_MS, Machine, Network, type Weather, type World } from '@holdfast/test/simulation';
import { majorityOf } from '../../src/protocol/quorum.js';
import { hintBoundMicros, quarantineMs, validityMs } from '../../src/protocol/validity.js';
import { RedlockBackend } from '../../src/redlock-backend.js';
import { DRIFT_FACTOR } from './simulated-client.js';
import { SimulatedLink, type SimulatedServer } from './simulated-link.js';
import { SimulatedNode } from './simulated-node.js';

const MAX_TTL_MS = 30_000;
const NODE_TIMEOUT_MS = 500;

/** Three nodes that stay up, and clients of them, over a network without faults. */
export class Deployment {
  readonly servers: readonly SimulatedServer[];
  readonly #world: World;
  readonly #network: Network;
  readonly #wakes = new Map<string, (node: number, wakeKey: string) => void>();

  constructor(world: World, weather: Weather) {
    this.#world = world;
    this.#network = new Network(world, weather);
    this.servers = [0, 1, 2].map((index) => this.#newServer(index));
  }

  /** @returns a client of its own, and the clock of the machine on which it runs */
  client(id: string): { readonly backend: RedlockBackend; readonly clock: Machine['clock'] } {
    const machine = new Machine(this.#world, 1, this.#world.between(-5, 5));
    const backend = new RedlockBackend({
      settings: {
        quorum: majorityOf(this.servers.length),
        maxTtlMs: MAX_TTL_MS,
        driftFactor: DRIFT_FACTOR,
        nodeTimeoutMs: NODE_TIMEOUT_MS,
        validity: validityMs,
      },
      clock: machine.clock,
      connect: (targetOf) => {
        const targets = this.servers.map((_, index) => targetOf(index));
        this.#wakes.set(id, (node, wakeKey) => machine.reach(() => targets[node]?.onWake(wakeKey)));
        return this.servers.map((server, index) => new SimulatedLink(`node ${index + 1}`, this.#network, machine, server, id));
      },
      newToken: () => '0'.repeat(32),
    });
    return { backend, clock: machine.clock };
  }

  #newServer(index: number): SimulatedServer {
    const world = this.#world;
    const offsetMs = world.between(-2, 2);
    const node = new SimulatedNode({
      maxTtlMs: MAX_TTL_MS,
      quarantineMs: quarantineMs(MAX_TTL_MS),
      hintBoundMicros: hintBoundMicros(MAX_TTL_MS),
      clock: () => Math.floor((EPOCH_MS + offsetMs + world.now) * 1000),
      publish: (id, wakeKey) => {
        const wake = this.#wakes.get(id);
        if (wake !== undefined) this.#network.tell(() => wake(index, wakeKey), undefined, `wake-ups of ${id} at ${index}`);
        return wake !== undefined;
      },
    });
    node.status('open');
    return { node, isUp: true, losses: 0 };
  }
}
