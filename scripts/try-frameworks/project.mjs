// A project of somebody who has installed our packages from npm: packed as they would be published, beside the framework that is tried.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const root = new URL('../..', import.meta.url).pathname;

/**
 * @param folder where; made here
 * @param ours what `packStaged` answered
 * @param dependencies name -> version; a package of ours has 'ours'
 * @param files path -> text
 */
export function writeProject(folder, ours, dependencies, files = {}) {
  const wanted = Object.entries(dependencies).map(([name, version]) => [name, version === 'ours' ? ours[name] : version]);
  const manifest = { name: 'somebody', private: true, type: 'module', dependencies: Object.fromEntries(wanted), overrides: ours };
  for (const [path, text] of Object.entries({ 'package.json': JSON.stringify(manifest), ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

/** Installs as npm does, or, with `force`, though a range of a peer forbids it. @returns status and what npm said */
export function install(folder, { force = false } = {}) {
  const args = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', ...(force ? ['--legacy-peer-deps'] : [])];
  return run('npm', args, { cwd: folder, timeout: 300_000 });
}

export function run(command, args, { cwd, env = {}, timeout = 120_000 } = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout,
    env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', FORCE_COLOR: undefined, ...env },
  });
  return { status: status ?? signal ?? error?.code, output: `${stdout ?? ''}${stderr ?? ''}` };
}

/** @returns what it printed @throws Error with that when it failed */
export function mustRun(command, args, options) {
  const { status, output } = run(command, args, options);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${output}`);
  return output;
}

/** The code of a page below a heading: the blocks whose language is `language`. */
export function blocksOf(page, heading, language) {
  const text = readFileSync(join(root, page), 'utf8');
  const section = heading === null ? text : (text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '');
  const blocks = [...section.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map((match) => match[1]);
  if (blocks.length === 0) throw new Error(`${page} has no ${language} below ${heading}`);
  return blocks;
}
