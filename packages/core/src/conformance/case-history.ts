import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { CALL_CHANNEL, type ObservedCall } from '../backend/index.js';

/** So many calls are shown of the beginning of a case, and so many of its end. */
const FIRST = 40;
const LAST = 160;
const UUID = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/;

/** What the store was asked during one case, by the managers and the bare backends of the case. Cases may run side by side. */
export class CaseHistory {
  readonly #start = performance.now();
  readonly #ids = new Set<string>();
  readonly #first: ObservedCall[] = [];
  #last: ObservedCall[] = [];
  #left = 0;
  readonly #listener = (message: unknown): void => this.#add(message as ObservedCall);

  constructor() {
    subscribe(CALL_CHANNEL, this.#listener);
  }

  /** A name that the case has made up: what is asked of it belongs to the case. */
  own(name: string): string {
    const id = UUID.exec(name)?.[0];
    if (id !== undefined) this.#ids.add(id);
    return name;
  }

  end(): void {
    unsubscribe(CALL_CHANNEL, this.#listener);
  }

  /** For people, a line for each call. Names and owners get short ones: the tokens stay secret. */
  lines(): readonly string[] {
    const speaker = new Speaker(this.#start);
    const left = this.#left === 0 ? [] : [`... ${this.#left} calls left out ...`];
    return [...folded(this.#first, speaker), ...left, ...folded(this.#last, speaker)];
  }

  #add(call: ObservedCall): void {
    if (!namesOf(call.asked).some((name) => this.#ids.has(UUID.exec(name)?.[0] ?? ''))) return;
    if (this.#first.length < FIRST) {
      this.#first.push(call);
      return;
    }
    this.#last.push(call);
    if (this.#last.length < 2 * LAST) return;
    this.#left += LAST;
    this.#last = this.#last.slice(LAST);
  }
}

/** What a case asks again and again, with the same outcome but for the time that is left, is a line and a count. */
function folded(calls: readonly ObservedCall[], speaker: Speaker): readonly string[] {
  const lines: string[] = [];
  let [former, more]: [string | null, number] = [null, 0];
  const close = (): void => {
    if (more > 0) lines.push(`           ... and the same ${more === 1 ? 'once' : `${more} times`} more`);
    more = 0;
  };
  for (const call of calls) {
    const { at, said, took } = speaker.words(call);
    const alike = said.replace(/busy for [\d.]+ ms/g, 'busy');
    if (alike === former) more += 1;
    else {
      close();
      lines.push(`${at} ms  ${said}${took}`);
    }
    former = alike;
  }
  close();
  return lines;
}

function namesOf(asked: readonly unknown[]): readonly string[] {
  return asked.flat().flatMap((one) => {
    if (typeof one === 'string') return [one];
    return isRecord(one) && typeof one['name'] === 'string' ? [one['name']] : [];
  });
}

/** Turns calls into lines; remembers what it has called whom. */
class Speaker {
  readonly #start: number;
  readonly #clients = new Map<number, string>();
  readonly #names = new Map<string, string>();
  readonly #owners = new Map<string, string>();

  constructor(start: number) {
    this.#start = start;
  }

  /** When it was asked, who asked what with which outcome, and how long the answer took. */
  words({ client, method, asked, startedAt, endedAt, answer, error }: ObservedCall): Record<'at' | 'said' | 'took', string> {
    const who = shortOf(this.#clients, client, (count) => `client ${count}`);
    const outcome = endedAt === null ? 'not answered' : this.#outcome(answer, error);
    return {
      at: String(Math.round(startedAt - this.#start)).padStart(6),
      said: `${who}  ${method} ${asked.map((one) => this.#shown(one)).join(', ')} -> ${outcome}`,
      took: endedAt === null ? '' : ` (${Math.round(endedAt - startedAt)} ms)`,
    };
  }

  #shown(asked: unknown): string {
    if (Array.isArray(asked)) return `[${asked.map((one: unknown) => this.#shown(one)).join('; ')}]`;
    if (typeof asked === 'string') return UUID.test(asked) ? this.#name(asked) : asked;
    if (!isRecord(asked)) return String(asked);
    const { name, owner, mode, ttlMs, permits, limit, next } = asked;
    return [
      typeof name === 'string' ? this.#name(name) : '',
      typeof mode === 'string' ? mode : '',
      typeof permits === 'number' ? `${permits} of ${String(limit)}` : '',
      typeof owner === 'string' ? shortOf(this.#owners, owner, (count) => `owner ${count}`) : '',
      typeof ttlMs === 'number' ? `ttl ${ttlMs}` : '',
      isRecord(next) ? `handing on to ${this.#shown(next)}` : '',
    ]
      .filter((part) => part !== '')
      .join(' ');
  }

  #outcome(answer: unknown, error: unknown): string {
    if (error !== undefined) return `failed: ${error instanceof Error ? error.message : 'with no error'}`;
    if (Array.isArray(answer)) return answer.map((one: unknown) => this.#outcome(one, undefined)).join('; ');
    if (!isRecord(answer)) return typeof answer === 'boolean' || answer === null ? String(answer) : 'done';
    if (answer['granted'] === true) return `granted ${String(answer['fencingToken'])}`;
    if (answer['granted'] === false)
      return `busy${typeof answer['remainingMs'] === 'number' ? ` for ${Math.round(answer['remainingMs'])} ms` : ''}`;
    if ('wasOurs' in answer) return `${String(answer['wasOurs'])}${answer['isFinal'] === true ? ', final' : ', not final'}`;
    if ('held' in answer) return answer['held'] === true ? 'held' : 'free';
    return 'done';
  }

  #name(name: string): string {
    return shortOf(this.#names, name, (count) => `name ${count}`);
  }
}

function shortOf<K>(known: Map<K, string>, key: K, make: (count: number) => string): string {
  const short = known.get(key) ?? make(known.size + 1);
  known.set(key, short);
  return short;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
