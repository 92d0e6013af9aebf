import { readFile } from 'node:fs/promises';
import type { ServerSpec } from './server-spec.js';

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/** Whom to run a server as that refuses root; null when we are not root, or when it does not mind. */
export async function unprivilegedUser(spec: ServerSpec): Promise<UserIds | null> {
  if (spec.users === undefined || process.getuid?.() !== 0) return null;
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of spec.users) {
    const [, , uid, gid] = lines.find(([user]) => user === name) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(`${spec.binary} refuses to run as root, and this machine has none of the users ${spec.users.join(', ')}`);
}
