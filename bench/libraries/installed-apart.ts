import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

// From bench/libraries, and from bench/dist/libraries, which is what was compiled.
const folders = ['../peers', '../../peers'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
/** Where `pnpm bench:peers` installs. */
export const peersFolder = folders.find((path) => existsSync(join(path, 'package.json'))) ?? '';
const packageOf = (name: string): string => join(peersFolder, 'node_modules', name, 'package.json');

/** Whether `pnpm bench:peers` has installed a library, and this Node is new enough for it. */
export function isInstalled(name: string): boolean {
  if (!existsSync(packageOf(name))) return false;
  const { engines } = JSON.parse(readFileSync(packageOf(name), 'utf8')) as { readonly engines?: { readonly node?: string } };
  const needed = Number(/^>=\s*(\d+)/.exec(engines?.node ?? '')?.[1] ?? 0);
  return Number(process.versions.node.split('.')[0]) >= needed;
}

/** Loads it as its users do; the caller knows what it exports. */
export function load(name: string): unknown {
  return createRequire(packageOf(name))(name);
}
