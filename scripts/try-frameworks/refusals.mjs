// What somebody reads who has another version of a framework or a driver, or none: npm's word, and that of the process.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { install, run, writeProject } from './project.mjs';

/**
 * @param refusal `dependencies`; `npm`: what npm says instead of installing them, null where it installs; `program`: what is run where they
 *   were installed nevertheless; `says`: what it prints
 */
export async function tryRefusal({ dependencies, npm, program, says }, { folder, ours }) {
  writeProject(folder, ours, dependencies);
  const plain = install(folder);
  if (npm === null ? plain.status !== 0 : plain.status === 0 || !npm.test(plain.output)) {
    throw new Error(`npm install ended with ${plain.status}, and ${npm} was to be expected:\n${plain.output}`);
  }
  if (plain.status !== 0) {
    const forced = install(folder, { force: true });
    if (forced.status !== 0) throw new Error(`npm install --legacy-peer-deps ended with ${forced.status}:\n${forced.output}`);
  }
  writeFileSync(join(folder, 'program.mjs'), program);
  const { status, output } = run(process.execPath, ['program.mjs'], { cwd: folder, timeout: 30_000 });
  if (!says.test(output)) throw new Error(`the program ended with ${status}, and ${says} was to be expected:\n${output}`);
}
