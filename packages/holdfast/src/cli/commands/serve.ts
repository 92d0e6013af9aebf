import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { createLockPage, toNodeListener } from '../../page/index.js';
import { CliError, usageError } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { warnOfMemory } from '../warn-of-memory.js';

export interface ServeOptions extends StoreOptions {
  readonly port: number;
  readonly host: string;
  readonly allowHost?: readonly string[];
  readonly allowRelease?: boolean;
  readonly every: number;
  readonly name?: readonly string[];
}

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/;

/** `holdfast serve`: the page, until a signal ends it. */
export async function serve(prefix: string | undefined, options: ServeOptions, output: Output): Promise<number> {
  const { port, host, allowHost: hosts = [], allowRelease = false, every: everyMs, name: names = [] } = options;
  if (!LOOPBACK.test(host) && hosts.length === 0) {
    throw usageError(`--host ${host} lets others reach the page, and --allow-host does not say by which name; see holdfast serve --help`);
  }
  const config = await resolveStore(options, output);
  warnOfMemory(config, output);
  await withManager(config, async (manager) => {
    using page = createLockPage(manager, { prefix, names, everyMs, hosts, allowRelease });
    const server = createServer(toNodeListener(page));
    server.listen(port, host);
    try {
      await once(server, 'listening');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new CliError(`the page cannot be had at ${host} port ${port} (${code})`, exitCodes.usage, 'LISTEN');
    }
    const { port: taken } = server.address() as AddressInfo;
    output.print(`http://${host.includes(':') ? `[${host}]` : host}:${taken}/`);
    output.tell(allowRelease ? 'everybody who reaches the page may take locks away' : 'the page only shows');
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    server.close();
    server.closeAllConnections();
  });
  return exitCodes.ok;
}
