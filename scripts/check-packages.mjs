// Packs every package as it would be published and looks at the tarballs, not at the folders: what `files` and pnpm leave out is out.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { consumePackages } from './consume-packages.mjs';
import { stagePackage } from './stage/stage-package.mjs';

const root = new URL('..', import.meta.url).pathname;
const directory = mkdtempSync(join(tmpdir(), 'holdfast-packages-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));

const problems = [];
const tarballs = new Map();
for (const folder of readdirSync(join(root, 'packages'))) {
  if (!existsSync(join(root, 'packages', folder, 'package.json'))) continue;
  const { name } = JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8'));
  const before = new Set(readdirSync(directory));
  await stagePackage(folder);
  run(name, 'pnpm', ['pack', '--pack-destination', directory], join(root, 'packages', folder, 'publish'));
  const tarball = readdirSync(directory).find((file) => !before.has(file));
  if (!tarball) continue;
  const file = join(directory, tarball);
  tarballs.set(name, file);
  checkContents(name, file);
  run(name, 'publint', ['run', file, '--strict'], root);
  run(name, 'attw', [file, '--format', 'ascii'], root);
}
problems.push(...(await consumePackages(root, mkdtempSync(join(directory, 'consumer-')), tarballs)));

if (problems.length > 0) {
  console.error(problems.join('\n\n'));
  process.exitCode = 1;
}

/** Runs a tool of the workspace, keeps quiet when it is content. */
function run(name, command, args, cwd) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } });
  const ok = result.status === 0;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}: ${command} ${args[0] === 'run' ? 'run' : ''}`.trimEnd());
  if (!ok) problems.push(`${name}: ${command} ${args.join(' ')}\n${result.error?.message ?? ''}${result.stdout}${result.stderr}`);
}

/** What neither tool looks at: the texts that must be there, and what must not be. */
function checkContents(name, file) {
  const { stdout } = spawnSync('tar', ['-tzf', file], { encoding: 'utf8' });
  const files = stdout.split('\n').filter(Boolean);
  const missing = [
    'package/README.md',
    'package/LICENSE',
    ...(name === '@holdfast/core' ? ['package/src/conformance/RULES.md'] : []),
  ].filter((path) => !files.includes(path));
  // What a command writes for others may be a test.
  const ours = files.filter((path) => !path.startsWith('package/templates/'));
  const surplus = ours.filter((path) => /\.tsbuildinfo$|\/test\/|\/dist-test\/|\/node_modules\//.test(path));
  const manifest = spawnSync('tar', ['-xzOf', file, 'package/package.json'], { encoding: 'utf8' }).stdout;
  const wrong = manifest.includes('"workspace:') ? ['a workspace: range'] : [];
  const ok = missing.length + surplus.length + wrong.length === 0;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}: contents (${files.length} files)`);
  if (!ok) problems.push(`${name}: missing ${missing.join(', ') || '-'}; not to be published: ${[...surplus, ...wrong].join(', ') || '-'}`);
}
