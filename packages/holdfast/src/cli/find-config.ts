import { dirname, join, resolve } from 'node:path';
import { LockArgumentError } from '@holdfast/core';
import type { ConnectConfig } from '../connect-options.js';
import { isFile, loadCheckedConfig } from '../load-config.js';
import { usageError } from './cli-error.js';
import { currentUser, distrustOf } from './trusted-path.js';

/** In the order in which they are looked for in each folder. */
export const CONFIG_FILES = ['holdfast.config.json', 'holdfast.config.js', 'holdfast.config.mjs'] as const;

/** A configuration and where it stands. */
export interface FoundConfig {
  readonly file: string;
  readonly config: ConnectConfig;
}

/** The nearest configuration file, from `folder` upward; null when there is none. @throws CliError, LockArgumentError when it cannot be used */
export async function findConfig(folder: string): Promise<FoundConfig | null> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    for (const name of CONFIG_FILES) {
      const file = join(at, name);
      if (!(await isFile(file))) continue;
      await refuseStrangers(file);
      return { file, config: await loadCheckedConfig(file, refuseModule) };
    }
    if (dirname(at) === at) return null;
  }
}

/** Refuses a file that was found and not named, when somebody else could have put it there: it says where the locks are, and is run. */
async function refuseStrangers(file: string): Promise<void> {
  const fault = await faultOf(file);
  if (fault !== null) throw usageError(`${file}: it is not read, as ${fault}; ${WAYS_OUT}`);
}

/** The same of a module that such a file names. A module that is not there is reported by the code that loads it. */
async function refuseModule(file: string): Promise<void> {
  const fault = (await isFile(file)) ? await faultOf(file) : null;
  if (fault !== null) throw new LockArgumentError(`schemes: ${file} is not run, as ${fault}; ${WAYS_OUT}`, { option: 'schemes' });
}

const WAYS_OUT = 'name the configuration with --config if you trust it, or use --no-config';

async function faultOf(file: string): Promise<string | null> {
  const user = currentUser();
  if (user === null) return null;
  return distrustOf(file, user).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
}
