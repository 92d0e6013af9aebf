import { posix } from 'node:path';
import type { HoldRequest, LockBackend } from '@holdfast/core';
import { altered, each, type Mutant } from './mutant.js';

/** Every name is its own lock, and each kind has its own. */
export const nameMutants: readonly Mutant[] = [
  naming('folds-case', (name) => name.toLowerCase()),
  naming('folds-case-by-locale', (name) => name.toUpperCase()),
  naming('normalises', (name) => name.normalize('NFC')),
  naming('normalises-compatibility', (name) => name.normalize('NFKC')),
  naming('hash-tag-only', (name) => /\{([^}]+)\}/.exec(name)?.[1] ?? name),
  naming('splits-at-brace', (name) => name.split('{')[0] ?? name),
  naming('trims', (name) => name.trim()),
  naming('ends-at-nul', (name) => name.split('\0')[0] ?? name),
  naming('resolves-paths', (name) => posix.normalize(name)),
  naming('decodes-percent', (name) => {
    try {
      return decodeURIComponent(name);
    } catch {
      return name;
    }
  }),
  naming('keeps-letters', (name) => name.replace(/[^\w-]/gu, '_')),
  naming('latin-only', (name) => Buffer.from(name, 'latin1').toString('latin1')),
  naming('strips-joiners', (name) => name.replace(/[\u200b-\u200f\u202a-\u202e\ufeff]/g, '')),
  naming('parses-numbers', (name) => name.replace(/\d+(\.\d+)?(e\d+)?$/, (digits) => String(Number(digits)))),
  naming('cuts-at-255', (name) => name.slice(0, 255), 'names/long'),
  naming('cuts-bytes', (name) => Buffer.from(name).subarray(0, 500).toString(), 'names/long'),
  {
    id: 'names-as-properties',
    breaks: 'a name never means anything but itself',
    caughtBy: ['names/bare'],
    breakBackend: each((backend) => {
      const table: Record<string, unknown> = {};
      return {
        attempt: async (requests, call) => {
          const answers = await backend.attempt(requests, call);
          return answers.map((answer, i) =>
            table[requests[i]?.name ?? ''] === undefined ? answer : { granted: false, remainingMs: null },
          );
        },
        wait: () => new Promise(() => {}),
      };
    }),
  },
  sharing('semaphores-are-locks', 'kinds/semaphore', (mode) => (mode === 'permits' ? 'exclusive' : mode)),
  sharing('writers-are-locks', 'kinds/read-write', (mode) => (mode === 'write' ? 'exclusive' : mode)),
  sharing('semaphores-are-writers', 'kinds/semaphore-and-read-write', (mode) => (mode === 'permits' ? 'write' : mode)),
  {
    id: 'marks-are-locks',
    breaks: 'a mark and a lock of one name do not know each other',
    caughtBy: ['kinds/marks'],
    breakBackend: each((backend) => {
      const { marks } = backend;
      if (marks === undefined) return {};
      return {
        marks: {
          set: (name, retentionMs, call) => marks.set(name, retentionMs, call),
          has: async (name, call) => (await marks.has(name, call)) || (await backend.inspect(name, 'lock', call)).held,
        },
      };
    }),
  },
];

function naming(id: string, map: (name: string) => string, caughtBy = 'names/no-aliases'): Mutant {
  const change = <T extends { readonly name: string }>(hold: T): T => ({ ...hold, name: map(hold.name) });
  return {
    id,
    breaks: 'no name is another name’s alias',
    caughtBy: [caughtBy],
    breakBackend: each((backend) => {
      const { wait, subscribe } = backend;
      return {
        attempt: (requests, call) => backend.attempt(requests.map(change), call),
        renew: (holds, call) => backend.renew(holds.map(change), call),
        release: (holds, call) => backend.release(holds.map(change), call),
        // What is shown is the name that was asked for, so that only the aliasing itself gives it away.
        inspect: async (name, kind, call) => ({ ...(await backend.inspect(map(name), kind, call)), name }),
        forceRelease: (name, kind, call) => backend.forceRelease(map(name), kind, call),
        ...(wait && { wait: (request, call) => wait.call(backend, change(request), call) }),
        ...(subscribe && { subscribe: (request, wake) => subscribe.call(backend, change(request), wake) }),
      };
    }),
  };
}

type Mode = HoldRequest['mode'];

function sharing(id: string, caughtBy: string, map: (mode: Mode) => Mode): Mutant {
  const change = <T extends { readonly mode: Mode }>(hold: T): T => ({ ...hold, mode: map(hold.mode) });
  return {
    id,
    breaks: 'lock x, semaphore x and read/write x are separate',
    caughtBy: [caughtBy],
    breakBackend: () => (backend: LockBackend) =>
      altered(backend, {
        attempt: (requests, call) => backend.attempt(requests.map(change), call),
        renew: (holds, call) => backend.renew(holds.map(change), call),
        release: (holds, call) => backend.release(holds.map(change), call),
      }),
  };
}
