import { readFile, realpath } from 'node:fs/promises';
import Module, { isBuiltin } from 'node:module';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { argv, cwd } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The module that a name stands for is not there, as opposed to being there and failing. */
export class ModuleMissingError extends Error {}

/**
 * Imports a module by the name that stands in the application's configuration.
 *
 * A plain `import(name)` would look from this package's folder. With pnpm's or Yarn's strict layouts a package that
 * only the application depends on cannot be seen from there, so packages are resolved from the application's main module first.
 * Not from the working directory, which may lie below a folder where anybody can put a `node_modules`, such as /tmp.
 *
 * @param name a package (`acme-locks`, `@acme/locks/redis`), a path (`./locks.js`, from the working directory), or a file: URL
 * @param folder where the name stands: packages and paths are looked for from there
 * @param check is asked about the file before the file is run; what it throws is thrown
 * @throws ModuleMissingError when nothing answers to the name; whatever the module throws while it loads
 */
export async function importModule(name: string, folder?: string, check?: FileCheck): Promise<unknown> {
  const specifier = await specifierOf(name, folder);
  if (specifier.startsWith('file:')) await check?.(fileURLToPath(specifier));
  return await load(specifier);
}

/** Rejects for a file that must not be run. */
export type FileCheck = (file: string) => Promise<void>;

async function specifierOf(name: string, folder: string | undefined): Promise<string> {
  if (name.startsWith('file:') || isBuiltin(name)) return name;
  if (name.startsWith('.') || isAbsolute(name)) return pathToFileURL(resolve(folder ?? cwd(), name)).href;
  const from = folder ?? (await mainFolder());
  const url = from === undefined ? undefined : await resolveFrom(from, name);
  return url ?? name;
}

/** Of the script that was started, where it really is; undefined where there is none. */
async function mainFolder(): Promise<string | undefined> {
  const [, script] = argv;
  return script === undefined ? undefined : dirname(await realpath(script).catch(() => script));
}

async function load(specifier: string): Promise<unknown> {
  try {
    return await import(/* webpackIgnore: true */ specifier);
  } catch (error) {
    // The same code also comes from a module that is there and imports something that is not: those name another one.
    if (isCode(error, 'ERR_MODULE_NOT_FOUND') && names(error, specifier)) throw new ModuleMissingError(error.message);
    throw error;
  }
}

async function resolveFrom(folder: string, name: string): Promise<string | undefined> {
  // By that name webpack looks for what is required, and warns of what it cannot know.
  const require = Module.createRequire(join(folder, 'package.json'));
  try {
    return pathToFileURL(require.resolve(name)).href;
  } catch (error) {
    // "exports" without a condition that require() accepts: a package for import only.
    return isCode(error, 'ERR_PACKAGE_PATH_NOT_EXPORTED') ? await resolveForImport(folder, name) : undefined;
  }
}

/** Node's resolution of `exports` for `import`, as far as a package for import only needs it (no patterns). */
async function resolveForImport(folder: string, name: string): Promise<string | undefined> {
  const [, packageName, subpath] = /^((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(name) ?? [];
  if (packageName === undefined) return undefined;
  for (let at = folder; ; at = dirname(at)) {
    const home = join(at, 'node_modules', packageName);
    const manifest = await readFile(join(home, 'package.json'), 'utf8').catch(() => undefined);
    if (manifest !== undefined) {
      const { exports } = JSON.parse(manifest) as { exports?: unknown };
      const key = `.${subpath ?? ''}`;
      const entry =
        isRecord(exports) && Object.keys(exports).some((path) => path.startsWith('.')) ? exports[key] : key === '.' ? exports : undefined;
      const target = pick(entry);
      return target === undefined ? undefined : pathToFileURL(join(home, target)).href;
    }
    if (dirname(at) === at) return undefined;
  }
}

function pick(entry: unknown): string | undefined {
  if (typeof entry === 'string') return entry;
  if (!isRecord(entry)) return undefined;
  for (const [condition, inner] of Object.entries(entry)) {
    if (condition !== 'import' && condition !== 'node' && condition !== 'default') continue;
    const found = pick(inner);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isCode(error: unknown, code: string): error is Error {
  return error instanceof Error && (error as { code?: unknown }).code === code;
}

/** Whether it is this specifier that was not found: loaders quote it as it is, as a path, or as its package only. */
function names(error: Error, specifier: string): boolean {
  const quoted = /'([^']+)'/.exec(error.message)?.[1];
  if (specifier.startsWith('file:')) return quoted === specifier || quoted === fileURLToPath(specifier);
  return quoted === specifier || quoted === /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
