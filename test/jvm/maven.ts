import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findProcessSource } from '@holdfast/test/servers';

/** The Java sources lie beside the TypeScript sources, also for what was compiled from these. */
const PROJECT = fileURLToPath(new URL(import.meta.url.includes('/dist/') ? '../../jvm/java/' : './java/', import.meta.url));

/** Programs that Debian's packages bring where they are missing. */
const PROGRAMS = [
  { title: 'Maven', binary: 'mvn', debianPackage: 'maven' },
  { title: 'a Java compiler', binary: 'javac', debianPackage: 'default-jdk-headless' },
].map((program) => ({ ...program, addressVariable: null, imageVariable: 'HOLDFAST_TEST_NO_IMAGE', image: null, imagePort: 0 }));

/**
 * Fetches the libraries and compiles the Java programs.
 *
 * @returns the class path; null where HOLDFAST_OFFLINE=1 says that Maven's repository is known to be out of reach
 * @throws Error with what Maven printed
 */
export async function compileJava(): Promise<string | null> {
  try {
    for (const program of PROGRAMS) await findProcessSource(program);
    await promisify(execFile)('mvn', ['-q', '-B', '-ntp', 'compile', 'dependency:build-classpath'], { cwd: PROJECT, maxBuffer: 2 ** 24 });
  } catch (cause) {
    if (env['HOLDFAST_OFFLINE'] === '1') return null;
    const printed = cause instanceof Error && 'stdout' in cause ? String(cause.stdout) : String(cause);
    throw new Error(
      `Maven could not build the Java programs; apt-get install maven, or HOLDFAST_OFFLINE=1 where there is no network\n${printed}`,
      {
        cause,
      },
    );
  }
  const libraries = await readFile(join(PROJECT, 'target', 'classpath'), 'utf8');
  return [join(PROJECT, 'target', 'classes'), libraries.trim()].join(':');
}
