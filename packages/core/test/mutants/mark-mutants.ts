import { randomBytes } from 'node:crypto';
import { type BackendMarks, type CompletionMarks, LockClosedError } from '@holdfast/core';
import { altered, alteredManager, type Mutant } from './mutant.js';

/** Marks that forget whose they are, count wrong, or tell of others. */
export const markMutants: readonly Mutant[] = [
  marks('marks-know-no-owner', 'a set of one owner is idempotent', ['marks/same-owner'], (whole) => ({
    set: (name, ms, call, setter) => whole.set(name, ms, call, { label: setter?.label ?? '', owner: randomBytes(16).toString('hex') }),
  })),
  marks('marks-prolonged-by-their-owner', 'a mark keeps its end when its owner asks once more', ['marks/same-owner'], (whole) => ({
    async set(name, ms, call, setter) {
      const isSet = await whole.set(name, ms, call, setter);
      if (!isSet || (await whole.get?.(name, call))?.remainingMs === ms) return isSet;
      await whole.delete?.(name, call);
      return await whole.set(name, ms, call, setter);
    },
  })),
  marks('marks-count-in-32-bits', 'a mark may stand for ten years', ['marks/ten-years'], (whole) => ({
    set: (name, ms, call, setter) => whole.set(name, ms % 2 ** 31, call, setter),
  })),
  marks('answers-of-several-shifted', 'each answer is that of its own mark', ['marks/each'], (whole) => ({
    async hasEach(names, call) {
      const answers = (await whole.hasEach?.(names, call)) ?? [];
      return [...answers.slice(1), ...answers.slice(0, 1)];
    },
  })),
  marks('marks-without-labels', 'a mark says what it is for and who set it', ['marks/get'], (whole) => ({
    async get(name, call) {
      const mark = (await whole.get?.(name, call)) ?? null;
      return mark === null ? null : { ...mark, label: null };
    },
  })),
  marks('marks-of-no-age', 'a mark says how long ago it was set', ['marks/get'], (whole) => ({
    async get(name, call) {
      const mark = (await whole.get?.(name, call)) ?? null;
      return mark === null ? null : { ...mark, ageMs: 0 };
    },
  })),
  marks('forgotten-marks-stand', 'a mark that is taken away does not stand', ['marks/delete'], (whole) => ({
    delete: (name, call) => whole.has(name, call),
  })),
  marks('lists-all-marks', 'marks are listed by their prefix', ['marks/list'], (whole) => ({
    list: (_, call) => whole.list?.('', call) ?? none(),
  })),
  {
    id: 'no-marks-while-closing',
    breaks: 'who is given time to end may note what is done',
    caughtBy: ['marks/while-closing'],
    breakManager: () => (manager) => {
      const whole = manager.marks;
      if (whole === null) return manager;
      let isClosing = false;
      const closed: Pick<CompletionMarks, 'set' | 'has'> = {
        set: async (name, options) => {
          if (isClosing) throw new LockClosedError('closed', { lockName: name });
          return await whole.set(name, options);
        },
        has: (name) => whole.has(name),
      };
      return alteredManager(manager, {
        marks: Object.assign(Object.create(whole) as CompletionMarks, closed),
        close: (options) => {
          isClosing = true;
          return manager.close(options);
        },
      });
    },
  },
];

function marks(
  id: string,
  breaks: string,
  caughtBy: readonly [string, ...string[]],
  change: (whole: BackendMarks) => Partial<BackendMarks>,
): Mutant {
  return {
    id,
    breaks,
    caughtBy,
    breakBackend: () => (backend) => {
      const whole = backend.marks;
      if (whole === undefined) return backend;
      return altered(backend, { marks: { ...boundMarks(whole), ...change(whole) } });
    },
  };
}

function boundMarks(whole: BackendMarks): BackendMarks {
  const bound = <K extends keyof BackendMarks>(key: K): BackendMarks[K] => {
    const value = whole[key];
    return (typeof value === 'function' ? value.bind(whole) : value) as BackendMarks[K];
  };
  const [get, forget, list] = [bound('get'), bound('delete'), bound('list')];
  return { set: bound('set'), has: bound('has'), ...(get && { get }), ...(forget && { delete: forget }), ...(list && { list }) };
}

async function* none(): AsyncIterable<never> {}
