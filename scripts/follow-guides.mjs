// Follows the guides word by word, as somebody on an empty machine does: every command of a shell that a page shows is run as it stands, in an
// empty folder, with the packages that this build would publish: node scripts/follow-guides.mjs [NAME ...]. Needs a build and npm.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startForPages } from '../test/dist/servers/index.js';
import { guides, pageOf } from './follow-guides/guides.mjs';
import { startRegistry } from './follow-guides/registry.mjs';
import { Reader } from './follow-guides/reader.mjs';

const wanted = process.argv.slice(2);
const chosen = Object.entries(guides).filter(([name]) => wanted.length === 0 || wanted.includes(name));
if (chosen.length === 0) {
  console.error(`no guide is called ${wanted.join(', ')}; there are ${Object.keys(guides).join(', ')}`);
  process.exit(64);
}

const directory = mkdtempSync(join(tmpdir(), 'holdfast-guides-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const registry = await startRegistry(join(directory, 'tarballs'));
const failed = [];
for (const [name, follow] of chosen) {
  const folder = join(directory, name.replaceAll('/', '-'));
  mkdirSync(folder);
  const page = pageOf(name);
  const servers = await startForPages(page === null ? [] : [readFileSync(new URL(`../${page}`, import.meta.url), 'utf8')]);
  const start = Date.now();
  const problem = await follow(new Reader(folder, registry.url, servers)).then(
    () => null,
    (error) => error,
  );
  await servers.close();
  console.log(`${problem === null ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - start) / 1000).toFixed(0)} s)`);
  if (problem === null) continue;
  failed.push(name);
  console.error(problem.message);
}
await registry.close();
if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`);
process.exit(failed.length > 0 ? 1 : 0);
