import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SLOTS, slotOf, tagOf } from '../src/key-slot.js';
import { KeySpace } from '../src/key-space.js';

describe('the tag of a slot', () => {
  const tags = Array.from({ length: SLOTS }, (_, slot) => tagOf(slot));

  it('lies in its slot, and is short and plain', () => {
    expect(tags.every((tag, slot) => slotOf(tag) === slot && slotOf(`holdfast.{${tag}}:x{y}`) === slot)).toBe(true);
    expect(tags.every((tag) => /^[0-9a-z]{1,4}$/.test(tag))).toBe(true);
    expect(new Set(tags).size).toBe(SLOTS);
  });

  it('never changes: keys on servers are named by it', () => {
    expect(createHash('sha256').update(tags.join(' ')).digest('hex')).toBe(
      '65ea9f1abd0ac6d546d2a8d5b098cbc266cde4aedb8d5ff6ff0e9b0864db6ea6',
    );
  });
});

describe('the keys of a name', () => {
  it('lie in one slot, for any name and client prefix', () => {
    for (const clientPrefix of ['', 'tenant:', '{tag}:', 'a{b}c:']) {
      for (const prefix of ['', 'holdfast:', '{x}', 'a{', '}']) {
        const keySpace = new KeySpace(prefix, clientPrefix);
        for (const name of ['a', 'a}b', '{', '{}', 'x{y}z', '}{', '🔒', 'é{ü}']) {
          const { slot: markSlot, marks, ends } = keySpace.markKeys(name);
          expect([marks, ends].map((key) => slotOf(clientPrefix + key))).toEqual([markSlot, markSlot]);
          for (const mode of ['x', 'p', 'r', 'w'] as const) {
            const { slot, keys, fence } = keySpace.keysOf(name, mode);
            for (const key of [...keys, fence, keySpace.confirmKey(slot)]) {
              expect(slotOf(clientPrefix + key), `${clientPrefix} ${key}`).toBe(slot);
            }
            expect(keySpace.parse(keySpace.onServer(keys[0]))).toEqual({
              name,
              kind: mode === 'x' ? 'lock' : mode === 'p' ? 'semaphore' : 'read-write',
            });
          }
        }
      }
    }
  });
});
