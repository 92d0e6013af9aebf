import { randomBytes, randomUUID } from 'node:crypto';
import { type CallContext, createLockManager, type LockBackend, type LockManager, systemClock } from '@holdfast/core';
import {
  type ConformanceHarness,
  type FaultName,
  type InjectedFaults,
  injectFaults,
  noWire,
  type SetupOptions,
} from '@holdfast/core/conformance';
import { closeQuietly, openBackend } from '../../open-backend.js';
import { type Settings, settingsOf } from '../../settings.js';
import type { StoreConfig } from '../open-store.js';
import { storeVersions } from './store-versions.js';
import { wiredUrl } from './wired-url.js';

const WHERE = 'conformance';
/** How long the first contact of one client may take. */
const CONTACT_MS = 5_000;

/**
 * The suite on a server of the user's. Its faults are made by a gate in front of the backend and by a wire in front of the server, so the server itself is
 * never disturbed: what only shows when a real server stops or dies is left to the backends' own tests.
 *
 * @param expiry by a session: behind the gate it goes on, so nobody can be cut off from the store, or die
 */
export function storeHarness(config: StoreConfig, expiry: LockManager['capabilities']['expiry']): ConformanceHarness {
  const settings = settingsOf(WHERE, config, undefined);
  const canCut = expiry === 'ttl';
  return {
    name: settings.url,
    faults: storeFaults(expiry),
    inapplicable: storeInapplicable(expiry),
    async versions() {
      const { backend } = await openBackend(WHERE, settings);
      const named = settings.options['driver'] ?? /[?&]driver=(\w+)/.exec(settings.url)?.[1];
      return await storeVersions(backend, typeof named === 'string' ? named : null).finally(() => closeQuietly(backend));
    },
    async setup(managerOptions) {
      const opened = new OpenedClients(settings);
      try {
        const manager = await opened.client(managerOptions);
        const { disconnect, reconnect, ...faults } = opened.faultsOf(manager);
        const cut = { disconnect, reconnect, crash: (peer: LockManager) => opened.faultsOf(peer).disconnect() };
        return {
          manager,
          peer: (options = {}) => opened.client(options),
          faults: { ...faults, ...(canCut ? cut : {}), openBackend: () => opened.backend(managerOptions) },
          close: () => opened.close(),
        };
      } catch (error) {
        await opened.close();
        throw error;
      }
    },
  };
}

const CUTTING = ['disconnect', 'reconnect', 'crash'] as const;

/** What is done to a store of the user's. */
export function storeFaults(expiry: LockManager['capabilities']['expiry']): readonly FaultName[] {
  return [...(expiry === 'ttl' ? CUTTING : []), 'freeze', 'thaw', 'loseNextReply', 'requests', 'openBackend'];
}

/** What is not, and why. */
export function storeInapplicable(expiry: LockManager['capabilities']['expiry']): Readonly<Partial<Record<FaultName, string>>> {
  const undisturbed = 'the server of a user is not disturbed';
  const cut = expiry === 'ttl' ? {} : Object.fromEntries(CUTTING.map((fault) => [fault, 'its session goes on behind the gate']));
  return { ...cut, killSession: undisturbed, stopNode: undisturbed, startNode: undisturbed, residue: 'its store has other clients' };
}

/** All that one case has opened. */
class OpenedClients {
  readonly #settings: Settings;
  readonly #backends: LockBackend[] = [];
  readonly #clients = new Map<LockManager, InjectedFaults>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** A manager behind a gate of its own. The configuration's own options for managers are left out: each case sets what it needs. */
  async client(options: SetupOptions): Promise<LockManager> {
    const { backend, faults } = injectFaults(await this.backend(options));
    const manager = createLockManager(backend, options);
    this.#clients.set(manager, faults);
    return manager;
  }

  /** A backend that has made contact: cases time waits, not connections and the loading of scripts. */
  async backend({ via = noWire }: SetupOptions): Promise<LockBackend> {
    const { backend } = await openBackend(WHERE, { ...this.#settings, url: await wiredUrl(this.#settings.url, via) });
    this.#backends.push(backend);
    const hold = { name: `conformance-${randomUUID()}`, owner: randomBytes(16).toString('hex'), mode: 'exclusive' } as const;
    const call: CallContext = { timeoutMs: CONTACT_MS, signal: AbortSignal.timeout(CONTACT_MS), clock: systemClock };
    await backend.attempt([{ ...hold, label: 'conformance', ttlMs: CONTACT_MS }], call);
    await backend.release([hold], call);
    return backend;
  }

  faultsOf(manager: LockManager): InjectedFaults {
    const faults = this.#clients.get(manager);
    if (faults === undefined) throw new Error('not a manager of this case');
    return faults;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients.keys()].map((manager) => manager.close()));
    await Promise.all(this.#backends.map(closeQuietly));
  }
}
