import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CliError, usageError } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';
import type { Output } from '../output.js';
import { quoted } from '../printable.js';

export interface NewBackendOptions {
  readonly name?: string;
  /** Of this package. */
  readonly version: string;
}

const templates = fileURLToPath(new URL('../../../templates/new-backend/', import.meta.url));
const SUFFIX = '.template';

/** `holdfast new-backend`: a project with a small backend, the conformance suite under two test runners, and a CI file. */
export async function newBackend(directory: string, { name: given, version }: NewBackendOptions, output: Output): Promise<number> {
  const target = resolve(directory);
  const name = given ?? basename(target).toLowerCase();
  if (!/^[a-z][a-z\d]*(?:-[a-z\d]+)*$/.test(name)) {
    throw usageError(
      `${quoted(name)} is no name for a backend: letters, digits and single dashes, a letter first; say another one by --name`,
    );
  }
  await refuseWhatIsThere(target, directory);
  // The folder of the name of a scope would be the name of a file, too.
  const words = { name, file: name, Name: pascalCase(name), range: version === '0.0.0' ? '*' : `^${version}` };
  const files = (await readdir(templates, { recursive: true })).filter((file) => file.endsWith(SUFFIX)).sort();
  try {
    for (const file of files) {
      const path = join(target, pathOf(file, name));
      await mkdir(dirname(path), { recursive: true });
      // Never over what somebody has put there meanwhile.
      await writeFile(path, filled(await readFile(join(templates, file), 'utf8'), words), { flag: 'wx' });
    }
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new CliError(`${quoted(directory)} could not be written (${reason})`, exitCodes.unwritten, 'UNWRITTEN');
  }
  output.print(`${files.length} files are in ${directory}. Go on with\n\n  cd ${directory}\n  npm install\n  npm test\n`);
  output.print(`The backend is in src/${name}-backend.ts, how the suite reaches it in test/harness.ts.`);
  return exitCodes.ok;
}

async function refuseWhatIsThere(target: string, shown: string): Promise<void> {
  try {
    if ((await readdir(target)).length > 0) throw usageError(`${quoted(shown)} is there already, and not empty`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR') throw usageError(`${quoted(shown)} is there already, and no folder`);
    if (code !== 'ENOENT') throw error;
  }
}

/** Where a template comes to lie. npm takes no .gitignore into a package, so that one has another name there. */
function pathOf(template: string, name: string): string {
  const path = template.slice(0, -SUFFIX.length);
  if (path === 'gitignore') return '.gitignore';
  return path === `src${sep}backend.ts` ? join('src', `${name}-backend.ts`) : path;
}

function filled(text: string, words: Readonly<Record<string, string>>): string {
  // Others in double braces are those of the CI's own language.
  return text.replace(/\{\{(\w+)\}\}/g, (whole, word: string) => words[word] ?? whole);
}

function pascalCase(name: string): string {
  return name.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase());
}
