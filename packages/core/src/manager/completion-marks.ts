import { createHash, randomUUID } from 'node:crypto';
import { checkName } from '../check-name.js';
import { checkValue, MAX_LABEL_BYTES, MAX_RETENTION_MS, type OptionRule, readOptions, rule } from '../check-options.js';
import type { StoreOperation } from '../contract/events.js';
import type { CallContext } from '../contract/call-context.js';
import type { FencingToken } from '../contract/lease.js';
import type { BackendMarks, CompletionMarks, MarkOptions, MarkRequest, MarkState } from '../contract/marks.js';
import { LockArgumentError, LockUnavailableError } from '../errors.js';
import { inParts } from '../calls/in-parts.js';
import { pullEach } from './list-states.js';
import type { ManagerCore } from './manager-core.js';
import { markLabel, markStateOf, OUTCOMES } from './mark-label.js';

/** How many marks go into one request, so that none holds a store up for long. */
const MOST_AT_ONCE = 1_000;

const setRules: Readonly<Record<keyof MarkOptions, OptionRule>> = {
  retentionMs: rule.duration({ min: 1, max: MAX_RETENTION_MS }),
  owner: rule.string,
  label: rule.text(MAX_LABEL_BYTES),
  outcome: rule.oneOf(...OUTCOMES),
};

const eachRules = { name: rule.string, ...setRules };

/** The backend's marks behind argument checks and deadlines; null where it has none. */
export function completionMarks<F extends FencingToken>(core: ManagerCore<F>): CompletionMarks | null {
  const { marks } = core.backend;
  return marks === undefined || !core.backend.capabilities.marks ? null : new CheckedMarks(core, marks);
}

class CheckedMarks<F extends FencingToken> implements CompletionMarks {
  readonly #core: ManagerCore<F>;
  readonly #marks: BackendMarks;

  constructor(core: ManagerCore<F>, marks: BackendMarks) {
    this.#core = core;
    this.#marks = marks;
  }

  async set(name: string, options: MarkOptions): Promise<boolean> {
    const { retentionMs, ...setter } = this.#request('marks.set', name, options);
    this.#assertOpen(name);
    return await this.#core.calls.run('marks.set', 1, name, (call) => this.#marks.set(name, retentionMs, call, setter));
  }

  async has(name: string): Promise<boolean> {
    checkName('marks.has', name);
    this.#assertOpen(name);
    return await this.#core.calls.run('marks.has', 1, name, (call) => this.#marks.has(name, call));
  }

  async setEach(marks: readonly (MarkOptions & { readonly name: string })[]): Promise<readonly boolean[]> {
    checkValue('marks.setEach', 'marks', marks, rule.array);
    const requests = Array.from(marks, (mark) => {
      const { name, ...options } = readOptions('marks.setEach', mark, eachRules, ['name']);
      return this.#request('marks.setEach', name, options);
    });
    refuseTwice(requests);
    this.#assertOpen();
    const { calls } = this.#core;
    const setEach = this.#marks.setEach?.bind(this.#marks);
    if (setEach !== undefined)
      return await askInParts(requests, (some) => this.#askEach('marks.setEach', some, (call) => setEach(some, call)));
    return await Promise.all(
      requests.map(({ name, retentionMs, ...setter }) =>
        calls.run('marks.set', 1, name, (call) => this.#marks.set(name, retentionMs, call, setter)),
      ),
    );
  }

  async hasEach(names: readonly string[]): Promise<readonly boolean[]> {
    checkValue('marks.hasEach', 'names', names, rule.array);
    const asked = [...names];
    for (const name of asked) checkName('marks.hasEach', name);
    this.#assertOpen();
    const { calls } = this.#core;
    const hasEach = this.#marks.hasEach?.bind(this.#marks);
    if (hasEach !== undefined)
      return await askInParts(asked, (some) => this.#askEach('marks.hasEach', some, (call) => hasEach(some, call)));
    return await Promise.all(asked.map((name) => calls.run('marks.has', 1, name, (call) => this.#marks.has(name, call))));
  }

  async get(name: string): Promise<MarkState | null> {
    checkName('marks.get', name);
    const get = this.#marks.get?.bind(this.#marks);
    if (get === undefined) throw this.#core.unsupported('marks', 'way to look at a completion mark', name);
    this.#assertOpen(name);
    const mark = await this.#core.calls.run('marks.get', 1, name, (call) => get(name, call));
    return mark === null ? null : markStateOf(mark);
  }

  async delete(name: string): Promise<boolean> {
    checkName('marks.delete', name);
    const forget = this.#marks.delete?.bind(this.#marks);
    if (forget === undefined) throw this.#core.unsupported('marks', 'way to take a completion mark away', name);
    this.#assertOpen(name);
    return await this.#core.calls.run('marks.delete', 1, name, (call) => forget(name, call));
  }

  async *list(options?: { readonly prefix?: string | undefined }): AsyncGenerator<MarkState, void, undefined> {
    const { prefix = '' } = readOptions('marks.list', options, { prefix: rule.string });
    if (prefix !== '') checkName('marks.list', prefix, 'prefix');
    const list = this.#marks.list?.bind(this.#marks);
    if (list === undefined) throw this.#core.unsupported('marks', 'way to list completion marks');
    yield* pullEach(this.#core, 'marks.list', (call) => list(prefix, call), markStateOf);
  }

  /** While holders are given time to end, they may note what they have done. */
  #assertOpen(name: string | null = null): void {
    if (this.#core.holds.heldCount === 0) this.#core.assertOpen(name);
  }

  async #askEach(
    operation: StoreOperation,
    some: readonly unknown[],
    ask: (call: CallContext) => Promise<readonly boolean[]>,
  ): Promise<readonly boolean[]> {
    const answers = await this.#core.calls.run(operation, some.length, null, ask);
    if (answers.length === some.length) return answers;
    const backend = this.#core.backend.name;
    throw new LockUnavailableError(`the ${backend} backend gave ${answers.length} answers to ${some.length} questions`, { backend });
  }

  #request(where: string, name: string, options: MarkOptions): MarkRequest {
    checkName(where, name);
    const { retentionMs, owner, label, outcome } = readOptions(where, options, setRules, ['retentionMs']);
    if (owner !== undefined) checkName(where, owner, 'owner');
    return {
      name,
      retentionMs,
      owner: ownerTokenOf(owner ?? randomUUID()),
      label: markLabel(outcome, label ?? this.#core.defaults.label),
    };
  }
}

/** Asks in requests that a store can bear; the answers in the order of what was asked. */
async function askInParts<T>(items: readonly T[], ask: (some: readonly T[]) => Promise<readonly boolean[]>): Promise<readonly boolean[]> {
  return (await Promise.all(inParts(items, MOST_AT_ONCE).map((some) => ask(some)))).flat();
}

/** Backends count on 32 hex digits that nobody else has, whatever a caller calls itself. */
function ownerTokenOf(owner: string): string {
  return /^[0-9a-f]{32}$/.test(owner) ? owner : createHash('sha256').update(owner).digest('hex').slice(0, 32);
}

function refuseTwice(requests: readonly MarkRequest[]): void {
  if (new Set(requests.map(({ name }) => name)).size === requests.length) return;
  throw new LockArgumentError('marks.setEach: the same name is given twice; each name may be set once in one call', { option: 'marks' });
}
