import { type Clock, LockArgumentError, type OptionRule, readOptions, rule, systemClock } from '@holdfast/core';
import type { AclEntry } from './create-request.js';
import type { SessionSettings } from './zookeeper-session.js';
import { isPath, parseConnectionString } from './zookeeper-url.js';

/** How the session shows who it is. */
export interface ZooKeeperAuth {
  /** @default 'digest' */
  readonly scheme?: string | undefined;
  /** For digest `user:password`. */
  readonly credentials: string;
}

/** One entry of an access list, as `setAcl` of ZooKeeper's own command line has it. */
export interface ZooKeeperAclEntry {
  /** How the id is checked: `world`, `auth`, `digest`, `ip` ... */
  readonly scheme: string;
  /** Who it is, as the scheme writes it: for digest `user:base64(sha1(user:password))`. */
  readonly id: string;
  /** Any of `c` create, `d` delete, `r` read, `w` write, `a` administer. */
  readonly permissions: string;
}

/** Options of `createZooKeeperBackend`. */
export interface ZooKeeperBackendOptions {
  /**
   * `host:port,host:port/chroot`; a URL `zookeeper://user:password@host:port,host:port/chroot` is taken too. Name all servers of the
   * ensemble. The path after them is made if it is missing.
   */
  readonly connectionString: string;
  /**
   * After this time of silence the ensemble ends the session, in milliseconds: the longest that a dead holder keeps its
   * locks. The servers may give less or more (by default from 2 to 20 of their ticks). Holders believe in two thirds of it.
   * @default 15_000
   */
  readonly sessionTimeoutMs?: number | undefined;
  /** Under which node all nodes of Holdfast stand, within the chroot. @default '/holdfast' */
  readonly root?: string | undefined;
  /** The user as whom to authenticate. @default that of the URL, else nobody */
  readonly auth?: ZooKeeperAuth | undefined;
  /**
   * Who may do what with the nodes that we make: 'open' allows everything to everybody; 'creator' allows everything to those who
   * authenticate in the same way, and nothing to others. A list must let its own maker create, delete, read and write: the servers are asked
   * for that once a session, and without it every call is refused with LOCK_BACKEND_UNAVAILABLE, `retryable: false`.
   * @default 'creator' with auth, 'open' without
   */
  readonly acl?: 'open' | 'creator' | readonly ZooKeeperAclEntry[] | undefined;
  /** The source of time, timers and randomness, for tests and simulators. @default the machine's */
  readonly clock?: Clock | undefined;
}

export interface ResolvedZooKeeperOptions extends Omit<SessionSettings, 'openDriver' | 'directories'> {
  /** The path of the root, the chroot before it. */
  readonly root: string;
}

const PERMISSIONS: Readonly<Record<string, number>> = { r: 1, w: 2, c: 4, d: 8, a: 16 };
const ALL = 31;

const pathRule: OptionRule = (value) =>
  typeof value === 'string' && isPath(value) ? null : 'must be a path such as "/holdfast", not under /zookeeper';
const aclRule: OptionRule = (value) =>
  value === 'open' || value === 'creator' || Array.isArray(value) ? null : 'must be "open", "creator" or a list';

/** The options of a ZooKeeper backend and what each must be. */
export const zooKeeperBackendRules = {
  connectionString: rule.secret(rule.string),
  sessionTimeoutMs: rule.duration({ min: 100 }),
  root: pathRule,
  auth: rule.secret(rule.object),
  acl: aclRule,
  clock: rule.object,
} satisfies Record<keyof ZooKeeperBackendOptions, OptionRule>;

const defaults = Object.freeze({ sessionTimeoutMs: 15_000, root: '/holdfast', scheme: 'digest' });

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT */
export function resolveZooKeeperOptions(where: string, given: ZooKeeperBackendOptions): ResolvedZooKeeperOptions {
  const options = readOptions<Partial<ZooKeeperBackendOptions>>(where, given, zooKeeperBackendRules);
  if (options.connectionString === undefined) {
    throw new LockArgumentError(`${where}: connectionString is missing; pass one such as "localhost:2181"`, { option: 'connectionString' });
  }
  const { servers, chroot, credentials } = parseConnectionString(options.connectionString);
  const auth = resolveAuth(where, options.auth, credentials);
  return {
    servers,
    root: chroot + (options.root ?? defaults.root),
    timeoutMs: options.sessionTimeoutMs ?? defaults.sessionTimeoutMs,
    auth,
    acl: resolveAcl(where, options.acl ?? (auth === null ? 'open' : 'creator'), auth !== null),
    clock: options.clock ?? systemClock,
  };
}

const authRules = { scheme: rule.string, credentials: rule.secret(rule.string) };

function resolveAuth(where: string, auth: ZooKeeperAuth | undefined, fromUrl: string | null): ResolvedZooKeeperOptions['auth'] {
  if (auth === undefined) return fromUrl === null ? null : { scheme: defaults.scheme, credentials: fromUrl };
  if (fromUrl !== null) throw new LockArgumentError(`${where}: auth is given twice, in the URL too; give it once`, { option: 'auth' });
  const { scheme = defaults.scheme, credentials } = readOptions(`${where}: auth`, auth, authRules);
  if (credentials === undefined || credentials === '' || scheme === '') {
    throw new LockArgumentError(`${where}: auth must have credentials, such as "user:password", and no empty scheme`, { option: 'auth' });
  }
  return { scheme, credentials };
}

function resolveAcl(where: string, acl: NonNullable<ZooKeeperBackendOptions['acl']>, hasAuth: boolean): readonly AclEntry[] {
  if (acl === 'open') return [{ permissions: ALL, scheme: 'world', id: 'anyone' }];
  if (acl === 'creator') {
    if (hasAuth) return [{ permissions: ALL, scheme: 'auth', id: '' }];
    throw new LockArgumentError(`${where}: acl "creator" needs auth: without it there is no creator to the server`, { option: 'acl' });
  }
  const fail = (): never => {
    throw new LockArgumentError(
      `${where}: acl must be a list of at least one { scheme, id, permissions }, permissions being letters out of "cdrwa"`,
      { option: 'acl' },
    );
  };
  const entries = [...acl];
  if (entries.length === 0) fail();
  return entries.map((entry) => {
    if (typeof entry !== 'object' || entry === null) return fail();
    const { scheme, id, permissions } = entry;
    if (typeof scheme !== 'string' || scheme === '' || typeof id !== 'string') return fail();
    if (typeof permissions !== 'string' || !/^[cdrwa]+$/.test(permissions)) return fail();
    return { scheme, id, permissions: [...new Set(permissions)].reduce((sum, letter) => sum + (PERMISSIONS[letter] ?? 0), 0) };
  });
}
