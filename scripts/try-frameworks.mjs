// Tries the adapters and the recipes on other versions of the frameworks than those that the test command brings, a Next.js application among
// them, and what is said of versions that do not fit: node scripts/try-frameworks.mjs [NAME ...]. Installs from npm into temporary folders,
// which takes 1 GB for a while, and about ten minutes for all. Needs a build.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '../test/dist/servers/index.js';
import { tries } from './try-frameworks/tries.mjs';
import { packStaged } from './try-bundlers/pack-staged.mjs';

const wanted = process.argv.slice(2);
const chosen = Object.entries(tries).filter(([name]) => wanted.length === 0 || wanted.some((word) => name.startsWith(word)));
if (chosen.length === 0) {
  console.error(`nothing to try is called ${wanted.join(', ')}; there are ${Object.keys(tries).join(', ')}`);
  process.exit(64);
}

const directory = mkdtempSync(join(tmpdir(), 'holdfast-frameworks-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const ours = await packStaged(join(directory, 'tarballs'));
const failed = [];
for (const [name, attempt] of chosen) {
  const folder = join(directory, name.replaceAll(/[^a-z0-9.-]/g, '-'));
  const redis = await startRedis();
  const start = Date.now();
  const problem = await attempt({ folder, ours, redisUrl: redis.url }).then(
    () => null,
    (error) => error,
  );
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
  console.log(`${problem === null ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - start) / 1000).toFixed(0)} s)`);
  if (problem === null) continue;
  failed.push(name);
  console.error(problem.message);
}
if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`);
process.exit(failed.length > 0 ? 1 : 0);
