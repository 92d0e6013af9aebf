import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { WebLocks } from 'holdfast/web-locks';

// What the standard says, as situations that any implementation can be put in. Run as a program it prints what this Node's own
// `navigator.locks` does in each.

type Scenario = (locks: WebLocks) => Promise<unknown>;

/** How a promise ended, in words that do not depend on who wrote the message. */
async function ending(promise: Promise<unknown>): Promise<string> {
  try {
    return `resolved: ${String(await promise)}`;
  } catch (error) {
    if (error instanceof DOMException) return `DOMException ${error.name}`;
    return error instanceof TypeError ? 'TypeError' : `rejected: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** All that can happen by itself has happened. */
const turns = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

function gate(): { readonly opened: Promise<string>; readonly open: (value?: string) => void; readonly fail: (error: Error) => void } {
  let open!: (value?: string) => void;
  let fail!: (error: Error) => void;
  const opened = new Promise<string>((resolve, reject) => {
    open = (value = 'opened') => resolve(value);
    fail = reject;
  });
  return { opened, open, fail };
}

/** `request` without its types, for what they would refuse. */
const loosely = (locks: WebLocks, ...args: readonly unknown[]): Promise<unknown> =>
  (locks.request as unknown as (...all: readonly unknown[]) => Promise<unknown>).call(locks, ...args);

const never = (): string => 'called';

/** Arguments, and how the call must end: by conversion, and by the checks of `request`. */
const calls: Readonly<Record<string, readonly unknown[]>> = {
  'nothing at all': [],
  'a name alone': ['a'],
  'no callback': ['a', {}],
  'no callback behind options': ['a', {}, undefined],
  'options that are null': ['a', null, never],
  'options that are undefined': ['a', undefined, never],
  'options that are a number': ['a', 7, never],
  'a name that is a number': [7, never],
  'a name that is null': [null, never],
  'a name that is a Symbol': [Symbol('a'), never],
  'a name that begins with a hyphen': ['-a', never],
  'a name with a hyphen elsewhere': ['a-', never],
  'another mode': ['a', { mode: 'read' }, never],
  'a mode that is null': ['a', { mode: null }, never],
  'steal and ifAvailable': ['a', { steal: true, ifAvailable: true }, never],
  'steal and shared': ['a', { steal: true, mode: 'shared' }, never],
  'steal and a signal': ['a', { steal: true, signal: new AbortController().signal }, never],
  'ifAvailable and a signal': ['a', { ifAvailable: true, signal: new AbortController().signal }, never],
  'a signal that is none': ['a', { signal: 7 }, never],
  'a signal that is null': ['a', { signal: null }, never],
  'a signal that has been aborted, with a reason': ['a', { signal: AbortSignal.abort('why') }, never],
  'a signal that has been aborted, without one': ['a', { signal: AbortSignal.abort() }, never],
  'booleans that are not': ['a', { ifAvailable: 1, steal: 0 }, never],
  'an option that nobody knows': ['a', { wait: 1 }, never],
};

export const scenarios: Readonly<Record<string, Scenario>> = {
  'the arguments': async (locks) => {
    const endings: Record<string, string> = {};
    // oxlint-disable-next-line no-await-in-loop
    for (const [name, args] of Object.entries(calls)) endings[name] = await ending(loosely(locks, ...args));
    return endings;
  },
  'what the callback gets': async (locks) => {
    const seen: unknown[] = [];
    for (const mode of ['exclusive', 'shared'] as const) {
      // oxlint-disable-next-line no-await-in-loop
      await locks.request('a', { mode }, (lock) => seen.push([lock?.name, lock?.mode, Object.prototype.toString.call(lock)]));
    }
    return [...seen, Object.prototype.toString.call(locks)];
  },
  'what becomes of the result': async (locks) => [
    await ending(locks.request('a', () => 'value')),
    await ending(locks.request('a', async () => 'promise')),
    await ending(locks.request('a', () => Promise.reject(new Error('rejected')))),
    // Whatever became of it, the lock is free.
    await ending(locks.request('a', { ifAvailable: true }, (lock) => lock === null)),
  ],
  'what the callback returns may be any thenable': async (locks) => {
    // What is tried here.
    // oxlint-disable-next-line unicorn/no-thenable
    const thenable = { then: (resolve: (value: string) => void) => void setTimeout(resolve, 5, 'thenable') };
    return await ending(locks.request('a', () => thenable as unknown as PromiseLike<string>));
  },
  'the lock tells name and mode after its end, too': async (locks) => {
    const lock = await locks.request('a', { mode: 'shared' }, (held) => held);
    const { name, mode } = lock;
    return [name, mode, Reflect.set(lock, 'name', 'b'), lock.name];
  },
  'names are compared as they are': async (locks) => {
    const held = gate();
    const first = locks.request('\u00e9a', () => held.opened);
    await turns();
    const others = ['\u00e9a', '\u00e9A', 'e\u0301a', '\u00e9a ', ' \u00e9a', '\u00e9', 'a%62', '__proto__'];
    const free = await Promise.all(others.map((name) => locks.request(name, { ifAvailable: true }, (lock) => lock !== null)));
    held.open();
    await first;
    return free;
  },
  'the lock is free before the result is known': async (locks) => {
    await locks.request('a', never);
    return await locks.request('a', { ifAvailable: true }, (lock) => lock !== null);
  },
  'order, and who shares': async (locks) => {
    const [order, gates] = [[] as string[], new Map<string, ReturnType<typeof gate>>()];
    const ask = (id: string, mode: 'exclusive' | 'shared'): Promise<unknown> => {
      gates.set(id, gate());
      return locks.request('a', { mode }, () => {
        order.push(`${id} in`);
        return gates.get(id)?.opened.then(() => order.push(`${id} out`));
      });
    };
    const all = [ask('r1', 'shared'), ask('r2', 'shared'), ask('w1', 'exclusive')];
    await turns();
    all.push(ask('r3', 'shared'), ask('w2', 'exclusive'));
    await turns();
    for (const id of ['r2', 'r1', 'w1', 'r3', 'w2']) {
      gates.get(id)?.open();
      // oxlint-disable-next-line no-await-in-loop
      await turns();
    }
    await Promise.all(all);
    return order;
  },
  ifAvailable: async (locks) => {
    const held = gate();
    const first = locks.request('a', { mode: 'shared' }, () => held.opened);
    await turns();
    const found = [
      await locks.request('a', { ifAvailable: true }, (lock) => lock === null),
      await locks.request('a', { ifAvailable: true, mode: 'shared' }, (lock) => lock?.mode),
      await locks.request('b', { ifAvailable: true }, (lock) => lock?.name),
      await ending(
        locks.request('a', { ifAvailable: true }, () => {
          throw new Error('thrown without it');
        }),
      ),
    ];
    held.open();
    return [...found, await first];
  },
  'ifAvailable does not pass those who wait': async (locks) => {
    const held = gate();
    const reader = locks.request('a', { mode: 'shared' }, () => held.opened);
    await turns();
    const writer = locks.request('a', () => 'written');
    await turns();
    const found = await locks.request('a', { mode: 'shared', ifAvailable: true }, (lock) => lock === null);
    held.open('read');
    return [found, await reader, await writer];
  },
  'a callback that fails lets the next one in': async (locks) => {
    const failing = ending(locks.request('a', () => Promise.reject(new Error('failed'))));
    const next = locks.request('a', () => 'next');
    return [await failing, await next];
  },
  'an abort ends the wait, and nothing behind the grant': async (locks) => {
    const held = gate();
    const controller = new AbortController();
    const first = locks.request('a', { signal: controller.signal }, () => held.opened);
    await turns();
    const waiting = new AbortController();
    const second = ending(locks.request('a', { signal: waiting.signal }, never));
    const third = ending(locks.request('a', () => 'third'));
    await turns();
    waiting.abort('enough');
    controller.abort('too late');
    const ended = await second;
    held.open('first');
    return [ended, await ending(first), await third];
  },
  'a steal ends those who have it, whose callbacks go on': async (locks) => {
    const held = gate();
    const order: string[] = [];
    const first = ending(locks.request('a', () => held.opened.then(() => order.push('went on'))));
    await turns();
    const second = await ending(locks.request('a', { steal: true }, (lock) => `stolen: ${lock?.mode}`));
    order.push(await first);
    held.open();
    await turns();
    return [second, ...order, await ending(locks.request('a', { ifAvailable: true }, (lock) => lock !== null))];
  },
  'a steal takes the lock from all who share it': async (locks) => {
    const held = gate();
    const readers = [1, 2].map(() => ending(locks.request('a', { mode: 'shared' }, () => held.opened)));
    await turns();
    const thief = await ending(locks.request('a', { steal: true }, (lock) => lock.mode));
    held.open();
    return [thief, ...(await Promise.all(readers))];
  },
  'a steal of what nobody has is a request': async (locks) => await ending(locks.request('a', { steal: true }, (lock) => lock.name)),
  query: async (locks) => {
    const held = gate();
    const shown = async (): Promise<unknown> => {
      const { held: now, pending } = await locks.query();
      const show = (list: typeof now): unknown => list.map(({ name, mode, clientId }) => `${name} ${mode} ${clientId !== ''}`).sort();
      return { held: show(now), pending: show(pending) };
    };
    const all = [
      locks.request('q', { mode: 'shared' }, () => held.opened),
      locks.request('q', { mode: 'shared' }, () => held.opened),
      locks.request('p', () => held.opened),
    ];
    await turns();
    all.push(locks.request('q', () => 'writer'));
    await turns();
    const while1 = await shown();
    held.open();
    await Promise.all(all);
    return [while1, await shown()];
  },
};

/** What an implementation does in each. One after the other: they use the same names. */
async function traces(locks: WebLocks): Promise<Readonly<Record<string, unknown>>> {
  const all: Record<string, unknown> = {};
  // oxlint-disable-next-line no-await-in-loop
  for (const [name, scenario] of Object.entries(scenarios)) all[name] = await scenario(locks);
  return all;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { navigator } = globalThis as unknown as { readonly navigator: { readonly locks: WebLocks } };
  const { locks } = navigator;
  process.stdout.write(JSON.stringify(await traces(locks)));
}
