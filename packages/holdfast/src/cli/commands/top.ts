import process from 'node:process';
import { type LockKind, systemClock } from '@holdfast/core';
import { redactUrl } from '../../redact-url.js';
import { LockWatch } from '../../view/lock-watch.js';
import { plainView, type SortKey } from '../../view/order.js';
import { usageError } from '../cli-error.js';
import { codeOfSignal, exitCodes } from '../exit-codes.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { runTop } from '../top/run-top.js';
import { warnOfMemory } from '../warn-of-memory.js';

export interface TopCommandOptions extends StoreOptions {
  readonly every: number;
  readonly sort: SortKey;
  readonly kind?: LockKind;
  readonly name?: readonly string[];
}

/** `holdfast top`: what is held, live. */
export async function top(prefix: string | undefined, options: TopCommandOptions, output: Output): Promise<number> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) throw usageError('top needs a terminal; into a pipe: holdfast ls --watch');
  const config = await resolveStore(options, output);
  warnOfMemory(config, output);
  const { every: everyMs, sort, kind = null, name: names = [] } = options;
  const signal = await withManager(config, (manager) => {
    const watch = new LockWatch(manager, { prefix: prefix ?? '', names, everyMs, clock: systemClock });
    return runTop(manager, watch, { title: redactUrl(config.url), names, view: { ...plainView, sort, kind } }, output);
  });
  return signal === null ? exitCodes.ok : codeOfSignal(signal);
}
