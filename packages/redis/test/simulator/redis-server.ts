import { calm, Machine, type Weather, type World } from '@holdfast/test/simulation';
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
import { KeySpace, letterOfKind } from '../../src/key-space.js';
import { scripts } from '../../src/scripts.generated.js';
import type { RedisMutant } from './mutants.js';
import { Pseudonyms } from './pseudonyms.js';
import { RedisModel } from './redis-model.js';
import { Wire, type WireEnds } from './wire.js';

const PREFIX = 'holdfast:';
const OPERATOR = `1${'0'.repeat(16)}`;
const bySha = new Map<string, string>(Object.entries(scripts).map(([name, { sha }]) => [sha, name]));
const bySource = new Map<string, string>(Object.entries(scripts).map(([name, { source }]) => [source, name]));

/** A Redis server: the model of its scripts, and its connections. */
export class RedisServer implements Omit<SimulatedStore, 'connect'> {
  readonly world: World;
  readonly names = new Pseudonyms();
  readonly machine: Machine;
  readonly #history: History;
  readonly #observer: StoreObserver;
  readonly #seed: number;
  readonly #model: RedisModel;
  readonly #keySpace = new KeySpace(PREFIX, '');
  readonly #targets = new Map<string, Pick<Target, 'kind' | 'name'>>();
  readonly #known = new Set<string>();
  readonly #listening = new Map<string, Set<Wire>>();
  readonly #clients: SimulatedClient[] = [];
  #weather: Weather;
  #wires = 0;
  #version = 0;
  #lastReleased: readonly string[] = [];

  constructor({ world, scenario, mutant, history, observer }: StoreSetup<RedisMutant>) {
    this.world = world;
    this.#history = history;
    this.#observer = observer;
    this.#seed = scenario.seed;
    this.#weather = scenario.weather;
    this.machine = new Machine(world, scenario.serverRate, 0);
    for (const { targets } of scenario.calls) for (const target of targets) this.#targets.set(keyOf(target), target);
    this.#model = new RedisModel({
      micros: () => Math.floor(this.machine.clock.wall() * 1000),
      publish: (channel, text) => this.#publish(channel, text),
      ...(mutant.scripts !== undefined && { rules: mutant.scripts }),
    });
    if (scenario.serverJump !== null) {
      const { at, ms } = scenario.serverJump;
      world.later(at, () => {
        history.add('store', () => `has its wall clock moved by ${ms} ms`);
        this.machine.jumpWall(ms);
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

  holds(target: Pick<Target, 'kind' | 'name'>): readonly StoreHold[] {
    return this.#standing(target).flatMap(({ hold }) => hold ?? []);
  }

  forceRelease(target: Target): readonly string[] {
    const labels = this.holds(target).map(({ label }) => label);
    const letter = letterOfKind[target.kind];
    const { keys, fence } = this.#keySpace.keysOf(target.name, letter);
    this.#model.run('forceRelease', letter === 'p' ? keys : [...keys, fence], [OPERATOR, letter]);
    this.#version += 1;
    return labels;
  }

  left(): readonly string[] {
    const { data } = this.#model;
    return [...this.#targets.values()].flatMap((target) => {
      const key = keyOf(target);
      const standing = this.#standing(target).map(({ hold, text }) =>
        hold === null ? `reserved: ${key} for ${text}` : `${hold.label} holds ${key}`,
      );
      const waiters = this.#keySpace.keysOf(target.name, letterOfKind[target.kind]).keys.at(-1) ?? '';
      const waiting = data.zrange(waiters).filter(([member, score]) => score > data.now && !member.startsWith('t'));
      return [...standing, ...waiting.map(([member]) => `waiting: ${member} for ${key}`)];
    });
  }

  quiet(): void {
    this.#weather = calm;
  }

  // --- connections

  /** A client makes a connection. */
  connecting(client: SimulatedClient, then: () => void): void {
    this.world.later(2 * this.#weather.fastestMs, () => client.machine.reach(then));
  }

  newWire(client: SimulatedClient, ends: WireEnds): Wire {
    this.#wires += 1;
    return new Wire(this.world, client.machine, () => this.#weather, Math.imul(this.#seed, 31) + this.#wires * 7919 + client.number, ends);
  }

  gone(wire: Wire): void {
    for (const wires of this.#listening.values()) wires.delete(wire);
  }

  /** Something happened to a message. */
  befell(client: SimulatedClient, what: string, words: readonly string[]): void {
    this.saw(client, what, words);
    client.suffered(this.#scriptOf(words) === 'renew' && what === 'late');
  }

  saw(client: SimulatedClient, what: string, words: readonly string[]): void {
    this.#history.add(client.name, () => `${what} ${this.#show(words)}`);
  }

  /** The same words with the names that owners and managers have on the server: they stand behind the keys. */
  translated(words: readonly string[]): readonly string[] {
    const isScript = words[0] === 'evalsha' || words[0] === 'eval';
    const from = isScript ? 3 + Number(words[2]) : 1;
    return words.map((word, index) => (index < from ? word : this.names.toServer(word)));
  }

  /** A driver sends a command again, whose first copy may have been carried out. */
  sendsAgain(words: readonly string[]): void {
    for (const owner of freedBy(this.#scriptOf(words), words)) this.#observer.repeated(owner);
  }

  carryOut(words: readonly string[], wire: Wire): unknown {
    const [command = ''] = words;
    if (command === 'evalsha' || command === 'eval') return this.#run(words);
    if (command === 'subscribe') {
      const channel = words[1] ?? '';
      const wires = this.#listening.get(channel);
      if (wires === undefined) this.#listening.set(channel, new Set([wire]));
      else wires.add(wire);
      return 1;
    }
    const wall = this.machine.clock.wall();
    if (command === 'time') return [String(Math.floor(wall / 1000)), String(Math.floor((wall % 1000) * 1000))];
    if (command === 'info') return 'maxmemory_policy:noeviction\r\nrun_id:simulated\r\n';
    return 'PONG';
  }

  #run(words: readonly string[]): unknown {
    const script = this.#scriptOf(words) ?? '';
    if (words[0] === 'eval') this.#known.add(script);
    if (!this.#known.has(script)) return new Error('NOSCRIPT No matching script.');
    const count = Number(words[2]);
    const reply = this.#model.run(script, words.slice(3, 3 + count), words.slice(3 + count));
    this.#version += 1;
    this.#history.add('store', () => `does ${this.#show(words)}: ${this.#named(JSON.stringify(reply))}`);
    this.#lastReleased = freedBy(script, words).map((owner) => this.names.real(owner));
    for (const [index, owner] of this.#lastReleased.entries()) {
      const said = reply[index];
      if (said === 1 || (script === 'handOver' && (said === -1 || typeof said === 'string'))) this.#observer.freed(owner);
    }
    return reply;
  }

  #publish(channel: string, text: string): void {
    const wires = this.#listening.get(channel);
    this.#history.add('store', () => `publishes ${this.#named(text)} to ${this.#named(channel)}, heard by ${wires?.size ?? 0}`);
    for (const wire of wires ?? []) wire.publish(channel, text);
  }

  // --- what stands

  #standing({ kind, name }: Pick<Target, 'kind' | 'name'>): readonly { readonly hold: StoreHold | null; readonly text: string }[] {
    const { data } = this.#model;
    const { rate, clock } = this.machine;
    const wall = clock.wall();
    data.now = Math.floor(wall);
    const [first, second = '', third = ''] = this.#keySpace.keysOf(name, letterOfKind[kind]).keys;
    const standing: { readonly hold: StoreHold | null; readonly text: string }[] = [];
    const add = (entry: string, mode: Target['mode'], permits: number, forMs: number): void => {
      const [, fence = '0', label = ''] = /^(\d+):([^]*)$/.exec(entry) ?? [];
      const token = mode === 'permits' ? null : BigInt(fence);
      standing.push({ hold: fence === '0' ? null : { label, mode, permits, token, forMs: forMs / rate }, text: entry });
    };
    if (kind !== 'semaphore') {
      const held = data.get(first);
      if (held !== null) add(held.slice(33), kind === 'lock' ? 'exclusive' : 'write', 1, data.pttl(first) + data.now - wall);
    }
    if (kind !== 'lock') {
      const [set, info] = kind === 'semaphore' ? [first, second] : [second, third];
      const seen = new Set<string>();
      for (const [member, score] of data.zrange(set)) {
        const owner = member.slice(0, 32);
        if (seen.has(owner) || score <= data.now) continue;
        seen.add(owner);
        const [, fence = '0', permits = '1', label = ''] = /^(\d+):(\d+)(?:\/\d+)?:([^]*)$/.exec(data.hget(info, owner) ?? '') ?? [];
        add(`${fence}:${label}`, kind === 'semaphore' ? 'permits' : 'read', Number(permits), score - wall);
      }
    }
    return standing;
  }

  #scriptOf([command, script = '']: readonly string[]): string | undefined {
    return command === 'evalsha' ? bySha.get(script) : command === 'eval' ? bySource.get(script) : undefined;
  }

  #show(words: readonly string[]): string {
    const script = this.#scriptOf(words);
    if (script === undefined) return this.#named(words.join(' '));
    return this.#named([script, ...words.slice(4 + Number(words[2]))].join(' | '));
  }

  /** Owner tokens by short names, the ids of managers by their last digits. */
  #named(text: string): string {
    return this.names
      .real(text)
      .replace(/(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])/g, (token) => this.#history.nameOf(token))
      .replace(/(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])/g, (id) => `~${this.#history.nameOf(id)}`);
  }
}

/** The owners whose holds a command frees. */
function freedBy(script: string | undefined, words: readonly string[]): readonly string[] {
  const args = words.slice(3 + Number(words[2]));
  if (script === 'release') return args.slice(1).map((hold) => hold.split(' ')[1] ?? '');
  return script === 'handOver' ? [(args[3] ?? '').split(' ')[1] ?? ''] : [];
}
