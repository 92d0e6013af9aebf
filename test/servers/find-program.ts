import { access, constants, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Where servers are installed though a user's PATH does not name it. */
const MORE_DIRECTORIES = ['/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin', '/opt/homebrew/bin'];

/**
 * The full path of a program on this machine; null where there is none.
 *
 * @param more further directories; a `*` stands for one part of the path
 */
export async function findProgram(name: string, more: readonly string[] = []): Promise<string | null> {
  const others = (await Promise.all(more.map((pattern) => expand(pattern)))).flat();
  const directories = new Set([...(process.env['PATH'] ?? '').split(delimiter), ...MORE_DIRECTORIES, ...others]);
  for (const directory of directories) {
    if (directory === '') continue;
    const path = join(directory, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return null;
}

/** What a pattern with one `*` stands for, the highest version first. */
async function expand(pattern: string): Promise<readonly string[]> {
  const star = pattern.indexOf('*');
  if (star < 0) return [pattern];
  const found = await readdir(pattern.slice(0, star)).catch(() => []);
  return found
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
    .map((part) => pattern.slice(0, star) + part + pattern.slice(star + 1));
}
