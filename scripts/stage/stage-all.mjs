// Makes the folder that is published of every package: `changeset publish` publishes it, and packs nothing itself.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { stagePackage } from './stage-package.mjs';

const packages = new URL('../../packages/', import.meta.url).pathname;
for (const folder of readdirSync(packages)) if (existsSync(join(packages, folder, 'package.json'))) await stagePackage(folder);
