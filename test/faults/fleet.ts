import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type ScriptProcess, spawnScript } from '@holdfast/test/servers';
import type { Random } from '@holdfast/test/simulation';
import { type HistoryEvent, parseHistory } from './history.js';
import type { Order, Report, TargetSettings } from './messages.js';
import { Registers } from './register.js';

/** Tests run this file as it is, and `pnpm soak` what it was compiled to; the script lies beside each. */
const CALLER_SCRIPT = new URL(`./caller-script${extname(import.meta.url)}`, import.meta.url);

export interface FleetOptions {
  /** Where the histories go. */
  readonly directory: string;
  /** When the run began, by the machine's monotonic clock. */
  readonly startNs: bigint;
  readonly targets: readonly TargetSettings[];
  readonly processes: number;
  /** How many calls each process has under way on each target. */
  readonly callers: number;
  readonly random: Random;
}

interface Member {
  readonly name: string;
  readonly script: ScriptProcess<Report>;
  counts: Readonly<Record<string, number>>;
  /** null until it has finished. */
  unexpected: readonly string[] | null;
}

/** The processes of a run, and the registers that their locks protect. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #registers = new Registers();
  readonly #members: Member[] = [];
  readonly #running = new Set<Member>();
  /** The first process that has ended though nobody ended it. */
  #failure: Error | null = null;

  constructor(options: FleetOptions) {
    this.#options = options;
    for (let index = 0; index < options.processes; index += 1) this.#add();
  }

  /** Grants so far, as the processes have reported them. @param target of this one alone */
  grants(target?: string): number {
    return this.#members
      .flatMap(({ counts }) => Object.entries(counts))
      .reduce((sum, [name, count]) => (target === undefined || name === target ? sum + count : sum), 0);
  }

  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** @throws Error when a process has ended by itself, with what it printed */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** One of the processes that run. */
  pick(): Member {
    return this.#options.random.pick([...this.#running]);
  }

  send(member: Member, order: Order): void {
    if (this.#running.has(member)) member.script.send(order);
  }

  /** Ends the process with SIGKILL and starts another in its place. */
  async replace(member: Member): Promise<void> {
    this.#running.delete(member);
    await member.script.kill();
    this.#add();
  }

  /**
   * Lets every process finish its turns and take every object once more.
   *
   * @returns what went wrong, a text each
   */
  async finish(timeoutMs: number): Promise<string[]> {
    const members = [...this.#running];
    for (const member of members) this.send(member, { order: 'finish' });
    const outcomes = await Promise.all(members.map((member) => this.#finished(member, timeoutMs)));
    return outcomes.flat();
  }

  /** All that the processes have written, in order. */
  async history(): Promise<HistoryEvent[]> {
    const texts = await Promise.all(this.#members.map(({ name }) => readFile(this.#fileOf(name), 'utf8').catch(() => '')));
    return texts.flatMap(parseHistory).sort((a, b) => a.at - b.at);
  }

  async close(): Promise<void> {
    this.#running.clear();
    await Promise.all(this.#members.map(({ script }) => script.kill()));
  }

  #add(): void {
    const { random, startNs, targets, callers } = this.#options;
    const name = `p${this.#members.length + 1}`;
    const script = spawnScript<Report>(CALLER_SCRIPT, [], {
      onMessage: (report) => this.#hear(member, report),
    });
    const member: Member = { name, script, counts: {}, unexpected: null };
    this.#members.push(member);
    this.#running.add(member);
    void script.exited.then(({ code, signal }) => {
      if (!this.#running.delete(member) || member.unexpected !== null) return;
      this.#failure ??= new Error(`${name} ended by itself (code ${code}, signal ${signal}):\n${script.output}`);
    });
    const settings = { process: name, seed: random.integer(1, 2 ** 31), file: this.#fileOf(name), startNs: `${startNs}`, targets, callers };
    script.send({ order: 'start', settings } satisfies Order);
  }

  #hear(member: Member, report: Report): void {
    if (report.report === 'grants') member.counts = report.counts;
    else if (report.report === 'finished') member.unexpected = report.unexpected;
    else {
      const answer = this.#registers.ask(report.object, BigInt(report.token), report.write);
      this.send(member, { order: 'answer', ask: report.ask, ...answer });
    }
  }

  async #finished(member: Member, timeoutMs: number): Promise<readonly string[]> {
    const { name, script } = member;
    const deadline = setTimeout(() => void script.kill(), timeoutMs);
    const { code, signal } = await script.exited;
    clearTimeout(deadline);
    if (member.unexpected !== null) return member.unexpected.map((what) => `${name}: ${what}`);
    return [`${name} has not finished in ${timeoutMs} ms (code ${code}, signal ${signal}):\n${script.output}`];
  }

  #fileOf(name: string): string {
    return join(this.#options.directory, `${name}.jsonl`);
  }
}
