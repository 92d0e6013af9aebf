import type { LockBackend } from '@holdfast/core';
import { EPOCH_MS, type Machine, type Network, type World } from '@holdfast/test/simulation';
import { majorityOf } from '../../src/protocol/quorum.js';
import { hintBoundMicros, quarantineMs, validityMs } from '../../src/protocol/validity.js';
import { RedlockBackend } from '../../src/redlock-backend.js';
import { SimulatedLink, type SimulatedServer } from './simulated-link.js';
import { SimulatedNode } from './simulated-node.js';

const NODES = 3;
const MAX_TTL_MS = 60_000;

/** Three nodes that only ever say what their rules say, and backends on them: for simulations of what stands on backends. */
export class SimulatedDeployment {
  readonly #network: Network;
  readonly #world: World;
  readonly #servers: readonly SimulatedServer[];

  constructor(world: World, network: Network) {
    this.#world = world;
    this.#network = network;
    this.#servers = Array.from({ length: NODES }, () => this.#newServer());
  }

  /** A backend of one process. Nobody is woken: those who wait ask. */
  connect(machine: Machine): LockBackend<bigint> {
    const id = this.#newToken().slice(0, 8);
    return new RedlockBackend({
      settings: { quorum: majorityOf(NODES), maxTtlMs: MAX_TTL_MS, driftFactor: 0.01, nodeTimeoutMs: 200, validity: validityMs },
      clock: machine.clock,
      connect: () => this.#servers.map((server, index) => new SimulatedLink(`node ${index + 1}`, this.#network, machine, server, id)),
      newToken: () => this.#newToken(),
    });
  }

  #newServer(): SimulatedServer {
    const rate = 1 + this.#world.between(-0.003, 0.003);
    const node = new SimulatedNode({
      maxTtlMs: MAX_TTL_MS,
      quarantineMs: quarantineMs(MAX_TTL_MS),
      hintBoundMicros: hintBoundMicros(MAX_TTL_MS),
      clock: () => Math.floor((EPOCH_MS + this.#world.now * rate) * 1_000),
      publish: () => false,
    });
    node.status('open');
    return { node, isUp: true, losses: 0 };
  }

  #newToken(): string {
    return Array.from({ length: 32 }, () => this.#world.integer(0, 15).toString(16)).join('');
  }
}
