import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Where servers are installed though a user's PATH does not name it. */
const MORE_DIRECTORIES = ['/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin', '/opt/homebrew/bin'];

/** The full path of a program on this machine; null where there is none. */
export async function findProgram(name: string): Promise<string | null> {
  const directories = new Set([...(process.env['PATH'] ?? '').split(delimiter), ...MORE_DIRECTORIES]);
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
