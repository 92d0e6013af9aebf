import assert from 'node:assert/strict';
import type { Hold, Lease, LockManager } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { breathe, granted, HELD, isBusy, LONG_TTL_MS, SOON_MS } from '../expectations.js';

/** What stands behind a random base: endings that some store, path, pattern, shell or normaliser would fold together. */
const ENDINGS: readonly string[] = [
  ...[
    '',
    '/',
    '//',
    '.',
    '..',
    '/..',
    '/../x',
    '/./x',
    '/x',
    '\\x',
    '%2F',
    '%2f',
    '%',
    '%%',
    '%00',
    '+',
    ' ',
    '  ',
    '\t',
    '\n',
    '\r\n',
    '\0',
    '\0x',
    '\u0001',
  ],
  ...['a{b}c', 'a{b}d', 'a{b', 'a}b', '{b}', '{}', '{}{b}', '{a}{b}', '{', '}', 'a{}b', '{{b}}'],
  ...['*', '?', '[ab]', 'a', 'b', '[', ']', '^', '$', '(', ')', '|'],
  ...['A', 'aa', 'AA', 'aA', 'ß', 'ss', 'SS', '\u1e9e', '\u0130', 'i\u0307', '\u0131', 'I', 'i', '\ufb00', 'ff', 'K', 'k', '\u212a'],
  ...[
    '\u212b',
    '\u00c5',
    'A\u030a',
    '\u00e9',
    'e\u0301',
    'e',
    '\u00f1',
    'n\u0303',
    '\ufeff',
    '\u200b',
    '\u00a0',
    '\u3000',
    '\u2028',
    '\ufffd',
  ],
  ...['\u{10ffff}', '\u202e', '\uffff'],
  ...['🔒', '🔒🔒', '👩‍👩‍👧', '👩', '漢字', '\u3072', '\u30d2', '\uff8b', '\u0639'],
  ...['0', '00', '-0', '1', '01', '1.0', '1e0', 'true', 'null', 'undefined', 'NaN', '[object Object]'],
  ...[
    ':',
    ':lock',
    ':fence',
    ':queue',
    ':waiters',
    ':sem',
    ':rw',
    ':read',
    ':write',
    '-',
    '_',
    '__',
    '-second',
    ',',
    ';',
    "'",
    '"',
    '`',
    '$1',
    '--',
    "';--",
  ],
];
/** Names of what every JavaScript object has, and others that only mean something as they are. */
const BARE: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'length',
  '../x',
  '/',
  '.',
  '..',
  '%2F',
  '{}',
  '*',
];

/** Every name is its own lock, however it is spelled. */
export const nameCases: readonly ConformanceCase[] = [
  conformanceCase('names/no-aliases', {
    title: 'names that try to alias are all held at once, and each is busy for a peer',
    timeoutMs: 30_000,
    async run({ manager, peer, name }) {
      const base = name();
      const names = ENDINGS.map((ending) => base + ending);
      assert.equal(new Set(names).size, names.length, 'the list of this case repeats a name');
      await holdAll(manager, await peer(), names);
    },
  }),

  conformanceCase('names/long', {
    title: 'names of 512 bytes that differ in one place are different',
    async run({ manager, peer, name }) {
      const base = name();
      const room = 512 - base.length;
      const emoji = '🔒'.repeat(Math.floor((room - 4) / 4));
      const padding = 'p'.repeat(room - 4 - emoji.length * 2);
      const names = [
        `${base}${'x'.repeat(room)}`,
        `${base}${'x'.repeat(room - 1)}y`,
        `${base}${'x'.repeat(room - 1)}`,
        `${base}y${'x'.repeat(room - 1)}`,
        `${base}${'x'.repeat(100)}y${'x'.repeat(room - 101)}`,
        `${base}${'x'.repeat(255)}y${'x'.repeat(room - 256)}`,
        `${base}${padding}${emoji}🔒`,
        `${base}${padding}${emoji}🔓`,
        `${base}${'/'.repeat(room)}`,
        `${base}${'%'.repeat(room)}`,
        `${base}${'\0'.repeat(room)}`,
      ];
      for (const one of names) assert.ok(new TextEncoder().encode(one).length <= 512);
      await holdAll(manager, await peer(), names);
    },
  }),

  conformanceCase('names/bare', {
    title: 'names that mean something elsewhere (__proto__, .., /) are names like any other',
    async run({ manager, peer }) {
      const other = await peer();
      // No random part here, so another run of the suite on the same store may have them: take them in turn.
      const group = await manager.acquireAll(BARE, { waitMs: 10_000, ttlMs: LONG_TTL_MS });
      assert.equal(group.names.length, BARE.length);
      for (const one of BARE) {
        assert.equal(group.get(one).name, one);
        await isBusy(other, one);
      }
      assert.equal(await group.release(), true);
    },
  }),

  conformanceCase('names/in-batches', {
    title: 'a batch of such names answers each for itself',
    async run({ manager, peer, name }) {
      const base = name();
      const names = ENDINGS.map((ending) => base + ending);
      const other = await peer();
      const taken = names.filter((_, index) => index % 3 === 0);
      const theirs = await other.tryAcquireEach(taken, HELD);
      assert.equal(theirs.size, taken.length);
      const mine = await manager.tryAcquireEach(names, HELD);
      assert.deepEqual(new Set(mine.keys()), new Set(names.filter((one) => !taken.includes(one))));
      for (const [key, lease] of mine) assert.equal(lease.name, key);
      assert.equal(await mine.releaseAll(), names.length - taken.length);
      assert.equal(await theirs.releaseAll(), taken.length);
    },
  }),

  conformanceCase('names/semaphores', {
    title: 'semaphores do not alias either',
    needs: ['semaphores'],
    async run({ manager, peer, name }) {
      const base = name();
      const of = (client: LockManager, ending: string) => client.semaphore(base + ending, { permits: 1 });
      const other = await peer();
      await noneAliases(
        (ending) => of(manager, ending).acquire({ waitMs: SOON_MS, ttlMs: LONG_TTL_MS }),
        (ending) => of(other, ending).tryAcquire(),
      );
    },
  }),

  conformanceCase('names/read-write', {
    title: 'read/write locks do not alias either',
    needs: ['readWriteLocks'],
    async run({ manager, peer, name }) {
      const base = name();
      const other = await peer();
      await noneAliases(
        (ending) => manager.readWriteLock(base + ending).write.acquire({ waitMs: SOON_MS, ttlMs: LONG_TTL_MS }),
        (ending) => other.readWriteLock(base + ending).read.tryAcquire(),
      );
    },
  }),

  conformanceCase('names/marks', {
    title: 'marks do not alias either',
    needs: ['marks'],
    async run({ manager, name }) {
      const base = name();
      for (const ending of ENDINGS)
        assert.equal(await manager.marks?.set(base + ending, { retentionMs: 60_000 }), true, JSON.stringify(ending));
      for (const ending of ENDINGS) assert.equal(await manager.marks?.has(base + ending), true, JSON.stringify(ending));
      assert.equal(await manager.marks?.has(`${base}never set`), false);
    },
  }),
];

/** Each name can be had beside all others, and is then busy for somebody else. */
async function noneAliases(take: (ending: string) => Promise<Hold>, tryTake: (ending: string) => Promise<Hold | null>): Promise<void> {
  const holds = await Promise.all(ENDINGS.map(take));
  await breathe();
  assert.ok((await Promise.all(ENDINGS.map(tryTake))).every((hold) => hold === null));
  await breathe();
  assert.ok((await Promise.all(holds.map((hold) => hold.release()))).every((freed) => freed));
}

async function holdAll(manager: LockManager, other: LockManager, names: readonly string[]): Promise<void> {
  const leases: Lease[] = [];
  for (const name of names) {
    await breathe();
    const lease = granted(await manager.tryAcquire(name, HELD), `${JSON.stringify(name)} is another name's alias`);
    assert.equal(lease.name, name);
    leases.push(lease);
  }
  for (const [index, name] of names.entries()) {
    await breathe();
    await isBusy(other, name);
    const state = await other.inspect(name);
    assert.equal(state.name, name);
    assert.equal(state.holders.length, 1, JSON.stringify(name));
    if (index === 0) continue;
    assert.equal(await leases[index]?.release(), true, JSON.stringify(name));
    assert.equal((await other.inspect(name)).held, false, `${JSON.stringify(name)} is held after its release`);
  }
  // The first is the others' prefix; freeing all of them must not have freed it.
  await isBusy(other, names[0] ?? '');
  assert.equal(await leases[0]?.release(), true);
}
