// Builds and runs a service by the bundlers, and tests it by the runners of tests, that people have: node scripts/try-bundlers.mjs [NAME ...].
// Installs from npm into a temporary folder, which takes 300 MB for a while, and about two minutes for all. Needs a build. esbuild is in
// check:packages, Next.js in try-frameworks.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '../test/dist/servers/index.js';
import { files, tries, versions } from './try-bundlers/tries.mjs';
import { packStaged } from './try-bundlers/pack-staged.mjs';
import { install, writeProject } from './try-frameworks/project.mjs';

const wanted = process.argv.slice(2);
const chosen = Object.entries(tries).filter(([name]) => wanted.length === 0 || wanted.includes(name));
if (chosen.length === 0) {
  console.error(`nothing to try is called ${wanted.join(', ')}; there are ${Object.keys(tries).join(', ')}`);
  process.exit(64);
}

const directory = mkdtempSync(join(tmpdir(), 'holdfast-bundlers-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const folder = join(directory, 'service');
const ours = await packStaged(join(directory, 'tarballs'));
writeProject(folder, ours, { holdfast: 'ours', ...versions }, files);
const installed = install(folder);
if (installed.status !== 0) throw new Error(`npm install ended with ${installed.status}:\n${installed.output}`);

const redis = await startRedis();
let failures = 0;
for (const [name, attempt] of chosen) {
  const start = Date.now();
  let problem = null;
  try {
    attempt({ folder, env: { REDIS_URL: redis.url } });
  } catch (error) {
    problem = error;
    failures += 1;
  }
  console.log(`${problem === null ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - start) / 1000).toFixed(0)} s)`);
  if (problem !== null) console.error(problem.message);
}
await redis.stop();
process.exit(failures > 0 ? 1 : 0);
