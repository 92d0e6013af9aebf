import type { NodeHealth } from '@holdfast/core';
import { redactUrl } from '../../redact-url.js';
import { settingsOf } from '../../settings.js';
import { takeUrlOptions } from '../../url-options.js';
import { usageError } from '../cli-error.js';
import { confirm } from '../confirm.js';
import { exitCodes } from '../exit-codes.js';
import { inItsFile, resolveStore, type StoreOptions } from '../open-store.js';
import type { Output } from '../output.js';
import { printNodes, scrubbed } from './health.js';

export interface InitNodesOptions extends StoreOptions {
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** `holdfast init-nodes`: lets the nodes of a new Redlock deployment vote at once, instead of after their first quarantine. */
export async function initNodes(options: InitNodesOptions, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  const url = redactUrl(config.url);
  if (!/^redlocks?:/i.test(config.url)) throw usageError(`init-nodes is for redlock:// and redlocks://, and the store is ${url}`);
  try {
    const { initializeNodes, lookAtNodes, nodeUrls } = await import('../../redlock.js');
    const { optionRules } = await import('../../schemes/redlock.js');
    const settings = settingsOf('init-nodes', config, undefined);
    const taken = takeUrlOptions('init-nodes', settings.url, optionRules);
    const { quorum: _quorum, ...known } = { ...settings.options, ...taken.options } as Readonly<Record<string, unknown>>;
    const own = Object.fromEntries(Object.entries(known).filter(([name]) => Object.hasOwn(optionRules, name)));
    const deployment = { ...own, urls: nodeUrls(taken.url) };
    const look = async (): Promise<readonly NodeHealth[]> => scrubbed(await lookAtNodes(deployment), output) ?? [];
    const before = await look();
    if (!options.json) printNodes(before, output);
    if (!options.yes) {
      await confirm(
        `The ${before.length} nodes of ${url} will vote at once. Do this for a new deployment only: a node that was restarted, emptied or replaced may have forgotten locks that are held.`,
        'set them up',
        'nothing was changed',
      );
    }
    await initializeNodes(deployment);
    const nodes = await look();
    if (options.json) output.printJson({ ok: true, url, nodes });
    else output.print(`${output.style('green', 'ok')}  the ${nodes.length} nodes of ${url} vote from now on`);
    return exitCodes.ok;
  } catch (error) {
    throw inItsFile(config, error);
  }
}
