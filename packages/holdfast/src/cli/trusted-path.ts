import { lstat, readFile, readlink } from 'node:fs/promises';
import { dirname, isAbsolute, join, parse, sep } from 'node:path';
import process from 'node:process';
import { userInfo } from 'node:os';

/** As many links as Linux follows. */
const MAX_LINKS = 40;

/** For whom a path is to be safe. */
export interface PathUser {
  readonly uid: number;
  /** Whether nobody but this user is in the group. */
  isAlone(gid: number): Promise<boolean>;
}

/**
 * Why the file may be somebody's trap: a file that is run must have been put there by this user or by root, and nobody
 * else may be able to change it, or to put another one in its place.
 *
 * So each folder on the way, each link and where it leads, and the file itself are looked at. Of a folder where all may
 * write but only remove what is theirs (such as /tmp) that is enough where it stands further up; a file that stands directly
 * in it is refused also when its owner is trusted, because a stranger can put a hard link to it there.
 *
 * @param file an absolute path
 * @returns what is wrong and where, such as "anybody may write to /srv/app"; null when nothing is
 */
export async function distrustOf(file: string, user: PathUser): Promise<string | null> {
  let { root: folder } = parse(file);
  const rest = segments(file);
  let links = 0;
  let fault = await folderFault(folder, user, rest.length === 1);
  for (let name = rest.shift(); name !== undefined && fault === null; name = rest.shift()) {
    if (name === '..') {
      folder = dirname(folder);
      fault = await folderFault(folder, user, rest.length === 1);
      continue;
    }
    const here = join(folder, name);
    const entry = await lstat(here);
    if (entry.isSymbolicLink()) {
      const target = await readlink(here);
      links += 1;
      fault = links > MAX_LINKS ? `${here} leads through too many links` : ownerFault(here, entry.uid, user);
      if (isAbsolute(target)) folder = parse(target).root;
      rest.unshift(...segments(target));
      fault ??= await folderFault(folder, user, rest.length === 1);
    } else if (entry.isDirectory()) {
      folder = here;
      fault = await folderFault(folder, user, rest.length === 1);
    } else {
      fault = ownerFault(here, entry.uid, user) ?? (await writerFault(here, entry, user));
    }
  }
  return fault;
}

/** The user of this process; null where files have no owners that Node knows, as on Windows. */
export function currentUser(): PathUser | null {
  const uid = process.getuid?.();
  return uid === undefined ? null : { uid, isAlone: (gid) => isAlone(uid, gid) };
}

function segments(path: string): string[] {
  return path
    .slice(parse(path).root.length)
    .split(sep)
    .filter((segment) => segment !== '' && segment !== '.');
}

/** `holdsTheEntry`: the last step is taken from this folder. */
async function folderFault(folder: string, user: PathUser, holdsTheEntry: boolean): Promise<string | null> {
  const entry = await lstat(folder);
  const keepsWhatIsOthers = (entry.mode & 0o1000) !== 0;
  const fault = ownerFault(folder, entry.uid, user);
  return fault ?? (keepsWhatIsOthers && !holdsTheEntry ? null : await writerFault(folder, entry, user));
}

function ownerFault(path: string, owner: number, { uid }: PathUser): string | null {
  return owner === uid || owner === 0 ? null : `${path} belongs to another user (${owner})`;
}

async function writerFault(
  path: string,
  { mode, gid }: { readonly mode: number; readonly gid: number },
  user: PathUser,
): Promise<string | null> {
  if ((mode & 0o002) !== 0) return `anybody may write to ${path}`;
  return (mode & 0o020) === 0 || (await user.isAlone(gid)) ? null : `the group ${gid} may write to ${path}`;
}

/**
 * Whether the group is this user's own, as most systems make one for each person, whose files then are group-writable by
 * default: it has the user's name, and no other member. What the files do not say is taken for no. Never for root, who
 * has most to lose and no such default.
 */
async function isAlone(uid: number, gid: number): Promise<boolean> {
  if (uid === 0) return false;
  try {
    const { username } = userInfo();
    const [users, groups] = await Promise.all(['/etc/passwd', '/etc/group'].map(async (file) => fieldsOf(await readFile(file, 'utf8'))));
    const group = groups?.find(([name, , id]) => name === username && id === String(gid));
    const others = users?.some(([name, , , id]) => id === String(gid) && name !== username) ?? true;
    return group !== undefined && !others && (group[3] === '' || group[3] === username);
  } catch {
    return false;
  }
}

function fieldsOf(text: string): readonly (readonly string[])[] {
  return text.split('\n').map((line) => line.split(':'));
}
