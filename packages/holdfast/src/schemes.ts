import { LockArgumentError } from '@holdfast/core';
import type { BackendModule } from './backend-module.js';
import { type FileCheck, importModule } from './import-module.js';

/**
 * Where the module of a scheme comes from: a function that imports it, `() => import('acme-locks')`, or, for
 * configuration that is JSON, the name to import: a package, looked for from the application's main module, or a path from its
 * working directory; both from the file where `loadConfig` has read them.
 */
export type SchemeSource = string | (() => BackendModule | PromiseLike<BackendModule>);

/** The module of a name that stands in a file, to be looked for from the file's folder. */
export function moduleFrom(name: string, folder: string, check?: FileCheck): SchemeSource {
  return Object.assign(async () => (await importModule(name, folder, check)) as BackendModule, { moduleName: name });
}

/** What a source names, for messages; null where it is a function that imports whatever it likes. */
export function nameOf(source: SchemeSource): string | null {
  if (typeof source === 'string') return source;
  const { moduleName } = source as { readonly moduleName?: unknown };
  return typeof moduleName === 'string' ? moduleName : null;
}

/** Schemes to modules, without the colon: `{ acme: () => import('acme-locks') }`. */
export type SchemeTable = Readonly<Record<string, SchemeSource>>;

// Literal imports: bundlers and readers see what can be loaded, and nothing is loaded but what the URL asks for.
const memory = (): Promise<BackendModule> => import('./schemes/memory.js');
const redis = (): Promise<BackendModule> => import('./schemes/redis.js');
const redlock = (): Promise<BackendModule> => import('./schemes/redlock.js');
const postgres = (): Promise<BackendModule> => import('./schemes/postgres.js');
const zookeeper = (): Promise<BackendModule> => import('./schemes/zookeeper.js');

/** What `connect` knows by itself. */
export const builtInSchemes: SchemeTable = Object.freeze({
  memory,
  redis,
  rediss: redis,
  'redis+cluster': redis,
  'rediss+cluster': redis,
  'redis+sentinel': redis,
  'rediss+sentinel': redis,
  redlock,
  redlocks: redlock,
  postgres,
  postgresql: postgres,
  zookeeper,
});

const SCHEME = /^[a-z][a-z\d+.-]{0,30}$/;

/** Reads the user's own table. @throws LockArgumentError */
export function readSchemes(where: string, value: unknown): SchemeTable | undefined {
  if (value === undefined) return undefined;
  const fail = (message: string): never => {
    throw new LockArgumentError(`${where}: ${message}`, { option: 'schemes' });
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail('schemes must be an object of scheme to module');
  const table = Object.entries(value as SchemeTable);
  for (const [scheme, source] of table) {
    if (!SCHEME.test(scheme)) {
      fail(
        `the scheme ${JSON.stringify(scheme.slice(0, 40))} must be at most 31 lower-case letters, digits, +, - and . and no colon, like "acme" or "acme+tls"`,
      );
    }
    if (typeof source !== 'function' && (typeof source !== 'string' || source === '')) {
      fail(`the scheme ${scheme} must be a function that imports a module, () => import('acme-locks'), or a module's name, 'acme-locks'`);
    }
    // import() would also run the code of a data: URL, which has no place in a configuration file.
    if (typeof source === 'string' && /^[a-z][a-z\d+.-]+:/i.test(source) && !source.startsWith('file:')) {
      fail(`the scheme ${scheme} must name a package, a path or a file: URL`);
    }
  }
  return Object.fromEntries(table);
}

/** The scheme of `url` and where its module comes from; the user's table goes before our own. @throws LockArgumentError */
export function findScheme(
  where: string,
  url: string,
  own: SchemeTable | undefined,
): { readonly scheme: string; readonly source: SchemeSource } {
  const table: SchemeTable = { ...builtInSchemes, ...own };
  const known = Object.keys(table);
  const list = `known are ${known.map((name) => (name === 'memory' ? 'memory:' : `${name}://`)).join(', ')}`;
  const fail = (message: string): never => {
    throw new LockArgumentError(`${where}: ${message}`, { option: 'url' });
  };

  const scheme = schemeOf(url);
  const source = scheme !== undefined && Object.hasOwn(table, scheme) ? table[scheme] : undefined;
  if (scheme !== undefined && source !== undefined) return { scheme, source };
  // What stands before the first colon is a user, or a password, when somebody has forgotten the scheme.
  if (scheme === undefined || (url.includes('@') && !url.startsWith('//', scheme.length + 1)))
    return fail(`the URL does not begin with a scheme such as redis://; ${list}`);

  // "localhost:6379" reads as a scheme too. Shown only when it is a host and a port and nothing else.
  if (/^[\w.-]{1,253}:\d{1,5}(?:\/\d*)?$/.test(url)) return fail(`the URL has no scheme; did you mean redis://${url}? ${list}`);
  const near = known.find((name) => distance(name, scheme) <= (name.length > 5 ? 2 : 1)) ?? ALIASES.get(scheme);
  const hint = near === undefined ? '' : `did you mean ${near}:? `;
  return fail(
    `unknown scheme ${JSON.stringify(scheme)}; ${hint}${list}. Others are added with the option schemes: ` +
      `connect(url, { schemes: { acme: () => import('acme-locks') } })`,
  );
}

/** Whether one of our own backends serves the URL. */
export function isBuiltIn(url: string, own: SchemeTable | undefined): boolean {
  const scheme = schemeOf(url);
  return scheme !== undefined && Object.hasOwn(builtInSchemes, scheme) && own?.[scheme] === undefined;
}

function schemeOf(url: string): string | undefined {
  return /^([a-z][a-z\d+.-]{0,30}):/i.exec(url)?.[1]?.toLowerCase();
}

/** What other libraries call it. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['mem', 'memory'],
  ['in-memory', 'memory'],
  ['valkey', 'redis'],
  ['valkeys', 'rediss'],
  ['pg', 'postgres'],
  ['pgsql', 'postgres'],
  ['zk', 'zookeeper'],
  ['redis+tls', 'rediss'],
  ['redis+ssl', 'rediss'],
  ['redis-socket', 'redis'],
  ['sentinel', 'redis+sentinel'],
  ['cluster', 'redis+cluster'],
  ['redis+tls+cluster', 'rediss+cluster'],
]);

/** Levenshtein: how many letters must change. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const line = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      line.push(Math.min(replaced, (above[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1));
    }
    above = line;
  }
  return above[b.length] ?? 0;
}
