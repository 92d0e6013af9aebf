import { calm, Machine, Network, type World } from '@holdfast/test/simulation';
import {
  type History,
  keyOf,
  type SimulatedClient,
  type SimulatedStore,
  type StoreHold,
  type StoreObserver,
  type StoreSetup,
  type Target,
} from '@holdfast/test/simulator';
import type { Row } from '../../src/connection.js';
import type { TableMutant } from './mutants.js';
import { TableModel } from './table-model.js';

const MODES = { p: 'permits', r: 'read', w: 'write' } as const;

/** A PostgreSQL server: the model of the statements of table leases, behind a network. */
export class TableServer implements Omit<SimulatedStore, 'connect'> {
  readonly #world: World;
  readonly #history: History;
  readonly #observer: StoreObserver;
  readonly #network: Network;
  readonly #machine: Machine;
  readonly #model: TableModel;
  readonly #targets = new Map<string, Pick<Target, 'kind' | 'name'>>();
  readonly #clients: SimulatedClient[] = [];
  #version = 0;
  #lastReleased: readonly string[] = [];

  constructor({ world, scenario, mutant, history, observer }: StoreSetup<TableMutant>) {
    this.#world = world;
    this.#history = history;
    this.#observer = observer;
    this.#network = new Network(world, scenario.weather, scenario.seed);
    this.#machine = new Machine(world, scenario.serverRate, 0);
    this.#model = new TableModel(() => this.#machine.clock.wall(), mutant.statements);
    for (const { targets } of scenario.calls) for (const target of targets) this.#targets.set(keyOf(target), target);
    if (scenario.serverJump !== null) {
      const { at, ms } = scenario.serverJump;
      world.later(at, () => {
        history.add('store', () => `has its wall clock moved by ${ms} ms`);
        this.#machine.jumpWall(ms);
        // Requests that are on their way may come late by the new time.
        for (const client of this.#clients) client.suffered();
      });
    }
  }

  get version(): number {
    return this.#version;
  }
  get lastReleased(): readonly string[] {
    return this.#lastReleased;
  }

  joined(client: SimulatedClient): void {
    this.#clients.push(client);
  }

  /** A client makes a connection. */
  connecting(client: SimulatedClient, then: () => void): void {
    this.#world.later(2 * this.#network.weather.fastestMs, () => client.machine.reach(then));
  }

  ask(client: SimulatedClient, text: string, values: readonly string[]): Promise<readonly Row[]> {
    const owners = values.length > 2 ? (values[2] ?? '') : '';
    const isRenewal = text.includes('greatest(') && !text.includes('AS token') && !text.includes('fence = CASE');
    const what = (): string => `${text.slice(0, 6)}${isRenewal ? ' (renewal)' : ''} ${this.#named(owners)} ${values.slice(3).join(' ')}`;
    this.#history.add(client.name, () => `asks ${what()}`);
    return this.#network.ask({
      machine: client.machine,
      name: `${client.number} ${values[3] ?? ''}`,
      carryOut: () => {
        const { what: done, rows, freed } = this.#model.run(text, values);
        this.#version += 1;
        this.#lastReleased = freed.map(({ owner }) => owner);
        for (const { owner, wasHeld } of freed) if (wasHeld) this.#observer.freed(owner);
        this.#history.add('store', () => `does ${done} for ${this.#named(owners)}: ${JSON.stringify(rows)}`);
        return { reply: rows };
      },
      ended: () => new Error('Connection terminated'),
      onMishap: (mishap) => {
        this.#history.add('network', () => `${mishap}: ${what()} of ${client.name}`);
        client.suffered(isRenewal && (mishap === 'late' || mishap === 'abandoned'));
      },
    });
  }

  holds({ kind, name }: Pick<Target, 'kind' | 'name'>): readonly StoreHold[] {
    const now = this.#machine.clock.wall();
    const { rate } = this.#machine;
    if (kind === 'lock') {
      const row = this.#model.locks.get(name);
      if (row === undefined || row.expiresAt <= now) return [];
      return [{ label: row.label ?? '', mode: 'exclusive', permits: 1, token: row.fence, forMs: (row.expiresAt - now) / rate }];
    }
    return [...(this.#model.shared[kind].get(name)?.holders.values() ?? [])].flatMap(({ m, p, e, f, l }) => {
      const mode = MODES[m as keyof typeof MODES];
      return e > now ? [{ label: l, mode, permits: p, token: m === 'p' ? null : f, forMs: (e - now) / rate }] : [];
    });
  }

  forceRelease(target: Target): readonly string[] {
    const labels = this.holds(target).map(({ label }) => label);
    if (target.kind === 'lock') {
      const row = this.#model.locks.get(target.name);
      if (row !== undefined) Object.assign(row, { owner: null, label: null, expiresAt: this.#machine.clock.wall() });
    } else {
      this.#model.shared[target.kind].get(target.name)?.holders.clear();
    }
    this.#version += 1;
    return labels;
  }

  left(): readonly string[] {
    return [...this.#targets.values()].flatMap((target) => this.holds(target).map(({ label }) => `${label} holds ${keyOf(target)}`));
  }

  quiet(): void {
    this.#network.weather = calm;
  }

  /** Owner tokens by short names. */
  #named(text: string): string {
    return text.replace(/[0-9a-f]{32}/g, (token) => this.#history.nameOf(token));
  }
}
