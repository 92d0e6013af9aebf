import { randomBytes } from 'node:crypto';
import type { LockBackend } from '@holdfast/core';
import { type ConformanceHarness, type ConformanceSetup, injectFaults } from '@holdfast/core/conformance';
import type { RedisBackendOptions } from '@holdfast/redis';
import { harnessOverWire, newName, OpenedCase } from '@holdfast/test/backend';
import type { RedisServer } from '@holdfast/test/servers';
import { SLOTS, tagOf } from '../src/key-slot.js';
import { createRedisBackend } from './chosen-driver.js';
import { type OptionsHere, reachedBy } from './redis-harness.js';

/** All keys that match a pattern, on whatever is under test. */
type FindKeys = (pattern: string) => Promise<readonly string[]>;

/** Hash tags in the middle of the slots of each of three masters. */
const ON_EACH_MASTER = [1, 3, 5].map((sixth) => tagOf(Math.floor((sixth * SLOTS) / 6)));

/** The keys of one case. */
function newPrefix(): string {
  return `c-${randomBytes(6).toString('hex')}:`;
}

/** Keys of one case. Fences are none of its: there is one for each slot, whatever happens. */
function keysWith(prefix: string, find: FindKeys): Promise<readonly string[]> {
  return find(`*${prefix}*`);
}

export function wiredHarness(name: string, server: () => RedisServer, find: FindKeys, options: OptionsHere): ConformanceHarness {
  return harnessOverWire(name, 'one', () => {
    const prefix = newPrefix();
    const { url, port } = server();
    return {
      open: async (via) => {
        const address = await via('127.0.0.1', port);
        return createRedisBackend({ prefix, ...reachedBy(urlAt(url, address.port), options) });
      },
      residue: () => keysWith(prefix, find),
      otherProcess: { module: new URL('../dist-test/test/conformance-client.js', import.meta.url), data: { url, prefix, ...options } },
    };
  });
}

function urlAt(url: string, port: number): string {
  const copy = new URL(url);
  copy.port = String(port);
  return copy.href;
}

/** How one backend reaches the servers, and what ends the client that it was given. */
export interface Reached {
  readonly options: RedisBackendOptions;
  readonly end?: () => unknown;
}

/** With a gate before the backend: for a client of the user, and for a cluster, whose nodes tell their own addresses. */
export function gatedHarness(name: string, reach: () => Reached | Promise<Reached>, find: FindKeys): ConformanceHarness {
  return {
    name,
    faults: ['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'requests', 'residue', 'openBackend'],
    async setup(managerOptions): Promise<ConformanceSetup> {
      const prefix = newPrefix();
      const opened = new OpenedCase();
      const ends: (() => unknown)[] = [];
      const open = async (): Promise<LockBackend> => {
        const { options, end } = await reach();
        if (end !== undefined) ends.push(end);
        return await opened.warm(
          createRedisBackend({ prefix, ...options }),
          ON_EACH_MASTER.map((tag) => `{${tag}}${newName()}`),
        );
      };
      const { backend, faults } = injectFaults(await open());
      return {
        manager: opened.manager(backend, managerOptions),
        peer: async (over) => opened.manager(await open(), over),
        faults: { ...faults, residue: () => keysWith(prefix, find), openBackend: open },
        close: async () => {
          await opened.close();
          await Promise.all(ends.map((end) => end()));
        },
      };
    },
  };
}
