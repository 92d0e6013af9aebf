import {
  checkName,
  checkValue,
  type FencingToken,
  type HolderState,
  LockArgumentError,
  type LockKind,
  rule,
  StaleTokenError,
} from '@holdfast/core';

/** What a fence needs to know of a hold: a lease as it is, or its name and token as they came over a wire. */
export interface FencedLease {
  readonly name: string;
  readonly fencingToken: FencingToken;
  /** @default 'lock' */
  readonly kind?: LockKind | undefined;
  /** @default 'exclusive' */
  readonly mode?: HolderState['mode'] | undefined;
}

/** The same, checked. */
export interface FencedHold {
  readonly kind: LockKind;
  readonly name: string;
  readonly token: bigint;
  /** A read hold: it is compared, and leaves nothing behind. */
  readonly isRead: boolean;
}

/** What 64 bits hold with a sign, in which every database counts. */
const MAX_TOKEN = 2n ** 63n - 1n;

export const kindRule = rule.oneOf('lock', 'semaphore', 'read-write');
const modeRule = rule.oneOf('exclusive', 'read', 'write', 'permits');

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT for what has no token that can be compared: permits, a store without tokens */
export function holdOf(where: string, lease: FencedLease): FencedHold {
  checkValue(where, 'lease', lease, rule.object);
  const { name, fencingToken: token, kind = 'lock', mode = 'exclusive' } = lease;
  checkName(where, name, 'lease.name');
  checkValue(where, 'lease.kind', kind, kindRule);
  checkValue(where, 'lease.mode', mode, modeRule);
  if (typeof token === 'bigint' && token >= 0n && token <= MAX_TOKEN) return { kind, name, token, isRead: mode === 'read' };
  const why =
    mode === 'permits'
      ? 'permits have none, as several hold at a time; use a lock where a resource must be fenced'
      : 'a store without tokens fences nothing; choose one that has capabilities.fencing';
  throw new LockArgumentError(
    `${where}: lease.fencingToken is ${String(token)}; it must be a bigint from 0 to ${MAX_TOKEN}${token === null ? `: ${why}` : ''}`,
    {
      option: 'lease.fencingToken',
      lockName: name,
    },
  );
}

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT for a read hold, which must not write */
export function writeHoldOf(where: string, lease: FencedLease): FencedHold {
  const hold = holdOf(where, lease);
  if (!hold.isRead) return hold;
  throw new LockArgumentError(`${where}: lease.mode is "read"; a read hold must not write, and its token is never recorded`, {
    option: 'lease.mode',
  });
}

/** @throws StaleTokenError LOCK_STALE_TOKEN when the resource has seen a later holder */
export function refuseStale({ name, token }: FencedHold, seenToken: bigint, where: string): void {
  if (seenToken <= token) return;
  throw new StaleTokenError(
    `${JSON.stringify(name)}: ${where} has seen the token ${seenToken}, and this lease's is ${token}: the lock has had a later holder, so nothing may be written`,
    { lockName: name, fencingToken: token, seenToken },
  );
}
