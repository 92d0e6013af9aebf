import { resolve } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { type ConformanceHarness, serveConformance } from '@holdfast/core/conformance';
import { Output } from '../output.js';
import { resolveStore, type StoreOptions } from '../open-store.js';
import { storeHarness } from './store-harness.js';

/** What the suite is to run on: a store by its URL, or a harness of somebody's. Sent as a message: arguments can be seen by everybody. */
export type SuiteTarget =
  | { readonly store: StoreOptions; readonly expiry: 'ttl' | 'session' }
  /** The path of a module that exports `harness`. */
  | { readonly harness: string };

// The parent decides when it is over, also at a terminal, which tells all of the foreground.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP'] as const) process.on(signal, () => {});
process.once('message', (target: SuiteTarget) => {
  void harnessOf(target).then(serveConformance, (error: unknown) => {
    process.stderr.write(`holdfast: the suite could not start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
});

async function harnessOf(target: SuiteTarget): Promise<ConformanceHarness> {
  if ('store' in target) return storeHarness(await resolveStore(target.store, new Output()), target.expiry);
  return await loadHarness(target.harness);
}

async function loadHarness(path: string): Promise<ConformanceHarness> {
  const module = (await import(pathToFileURL(resolve(path)).href)) as { readonly harness?: Partial<ConformanceHarness> };
  if (typeof module.harness?.setup !== 'function' || typeof module.harness.name !== 'string') {
    throw new TypeError(`${path} exports no harness with a name and a function setup`);
  }
  return module.harness as ConformanceHarness;
}
