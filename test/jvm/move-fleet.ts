import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type ScriptProcess, spawnScript, until } from '@holdfast/test/servers';
import type { MigrationPhase } from '@holdfast/migration';
import { type HistoryEvent, parseHistory } from '../faults/history.js';
import { objectId } from '../faults/verdict.js';
import { GrantCount } from './grant-count.js';
import { JavaProcess } from './java-process.js';
import { asksOf, type Move, moves, PERMITS, type Stage, type Stores, type System } from './moves.js';
import type { NewProcessOrder, NewProcessReport } from './new-process-script.js';

const SCRIPT = new URL(`./new-process-script${extname(import.meta.url)}`, import.meta.url);
/** So many turns each process has in a stage, or it is stalled. */
const TURNS = 15;
/** A JVM starts slowly on a machine that does other work. */
const STALLED_MS = 90_000;
const STOP_MS = 60_000;

export interface MoveFleetOptions {
  readonly classPath: string;
  readonly system: System;
  readonly stores: Stores;
  readonly directory: string;
  readonly startNs: bigint;
  readonly names: readonly string[];
}

type Kind = 'jvm' | MigrationPhase;

interface Member {
  readonly name: string;
  readonly kind: Kind;
  /** Rejects when it ends by itself. */
  failed(): Promise<never>;
  stop(): Promise<readonly string[]>;
  kill(): Promise<void>;
}

/** The processes of the old and the new release that run side by side. */
export class MoveFleet {
  readonly #options: MoveFleetOptions;
  readonly #names: string[] = [];
  readonly #counts = new Map<string, GrantCount>();
  #running: Member[] = [];
  /** What went wrong, a text each. */
  readonly wrong: string[] = [];

  constructor(options: MoveFleetOptions) {
    this.#options = options;
  }

  /** Starts what the stage has more, ends what it has less, and waits until everybody has had its turns. */
  async enter({ jvm, node }: Stage): Promise<void> {
    const wanted: Kind[] = [...Array.from({ length: jvm }, () => 'jvm' as const), ...node];
    const staying: Member[] = [];
    for (const kind of wanted) {
      const member = this.#running.find((one) => one.kind === kind && !staying.includes(one));
      staying.push(member ?? this.#start(kind));
    }
    const leaving = this.#running.filter((member) => !staying.includes(member));
    this.#running = [...staying, ...leaving];
    // The new ones first: a fleet is never empty.
    await this.#turns(staying);
    for (const member of leaving) this.wrong.push(...(await member.stop()));
    this.#running = staying;
    await this.#turns(staying);
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map((member) => member.kill()));
  }

  async history(): Promise<HistoryEvent[]> {
    const all = await Promise.all(this.#names.map((name) => this.#eventsOf(name)));
    return all.flat().sort((a, b) => a.at - b.at);
  }

  async #turns(members: readonly Member[]): Promise<void> {
    const before = new Map(await Promise.all(members.map(async ({ name }) => [name, await this.#grantsOf(name)] as const)));
    const turns = until(
      'every process has its turns',
      async () => {
        const counts = await Promise.all(members.map(async ({ name }) => (await this.#grantsOf(name)) - (before.get(name) ?? 0)));
        return counts.every((count) => count >= TURNS);
      },
      { timeoutMs: STALLED_MS, everyMs: 100 },
    );
    await Promise.race([turns, ...members.map((member) => member.failed())]);
  }

  #start(kind: Kind): Member {
    const name = `${kind}-${this.#names.length + 1}`;
    this.#names.push(name);
    return kind === 'jvm' ? this.#startOld(name) : this.#startNew(name, kind);
  }

  #startOld(name: string): Member {
    const { classPath, system, stores, names, startNs } = this.#options;
    const { hostname, port, pathname, username, password } = new URL(stores.postgresUrl);
    const { kind = 'lock' }: Move = moves[system];
    const old = new JavaProcess(classPath, 'Worker', {
      system,
      process: name,
      file: this.#fileOf(name),
      start: `${startNs}`,
      names: names.join(),
      objects: objectId(system, kind, 'NAME', kind === 'semaphore' ? PERMITS : undefined),
      asks: asksOf[kind].join(),
      redis: new URL(stores.redisUrl).port,
      hazelcast: stores.hazelcastPorts.join(),
      zookeeper: stores.zooKeeperServers,
      files: stores.files,
      jdbc: `jdbc:postgresql://${hostname}:${port}${pathname}?user=${username}&password=${password}`,
    });
    return {
      name,
      kind: 'jvm',
      failed: () => old.failed(),
      kill: () => old.kill(),
      async stop() {
        await old.stop();
        return [];
      },
    };
  }

  #startNew(name: string, phase: MigrationPhase): Member {
    const { system, stores, names, startNs } = this.#options;
    const script: ScriptProcess<NewProcessReport> = spawnScript(SCRIPT);
    const settings = { system, phase, stores, names, process: name, file: this.#fileOf(name), startNs: `${startNs}` };
    script.send(settings satisfies NewProcessOrder);
    return {
      name,
      kind: phase,
      kill: () => script.kill(),
      async failed() {
        await script.exited;
        throw new Error(`${name} ended by itself:\n${script.output}`);
      },
      async stop() {
        script.send('stop' satisfies NewProcessOrder);
        const { unexpected } = await script.next(() => true, STOP_MS);
        await script.exited;
        return unexpected.map((what) => `${name}: ${what}`);
      },
    };
  }

  async #grantsOf(name: string): Promise<number> {
    const count = this.#counts.get(name) ?? new GrantCount(this.#fileOf(name));
    this.#counts.set(name, count);
    return await count.read();
  }

  async #eventsOf(name: string): Promise<HistoryEvent[]> {
    return parseHistory(await readFile(this.#fileOf(name), 'utf8').catch(() => ''));
  }

  #fileOf(name: string): string {
    return join(this.#options.directory, `${name}.jsonl`);
  }
}
