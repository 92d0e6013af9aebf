import type { HolderState, LockKind } from '@holdfast/core';

/** What comes with a request to a legacy lock. */
export interface LegacyRequest {
  /** 32 random hex digits, fresh for every attempt: a value to write where the lock has an owner. */
  readonly token: string;
  /** How it is asked for: `exclusive` unless `also` has more than locks. */
  readonly mode: HolderState['mode'];
  /** How many permits of a semaphore; 1 for all else. */
  readonly permits: number;
  /** How many permits the semaphore has; 1 for all else. */
  readonly limit: number;
  /** How long the lock is to be kept without `extend`. */
  readonly ttlMs: number;
  /** Who asks, for people. */
  readonly label: string;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** A legacy lock that is held: what `tryLock` returned, and the token that it was given. */
export interface LegacyHold<H> {
  /** What `tryLock` was given. */
  readonly token: string;
  /** What `tryLock` was given. */
  readonly mode: HolderState['mode'];
  /** What `tryLock` was given. */
  readonly permits: number;
  /** What `tryLock` returned. */
  readonly handle: H;
}

type Answer<T> = T | PromiseLike<T>;

/** Somebody who has it, as far as the legacy lock can tell. */
export type LegacyHolder = Pick<HolderState, 'mode' | 'permits'> & Partial<Pick<HolderState, 'label' | 'remainingMs'>>;

/**
 * An existing lock: a Hazelcast client's, a flag row, a home-made Redis key. Whatever its methods throw counts as "the
 * store did not answer": never report that as "busy".
 */
export interface LegacyLock<H = unknown> {
  /** Stands for `backend` in errors and events. @default 'legacy' */
  readonly name?: string | undefined;
  /**
   * What it has besides locks. `tryLock` is then asked for permits (`semaphore`) and for reading and writing (`read-write`) too, by the
   * request's `mode`; a lock, a semaphore and a read/write lock of one name are three things. Such requests of one process come side by side:
   * each is an owner of its own, recognised by its token. Whether a waiting writer keeps new readers out is up to `tryLock`.
   * @default []
   */
  readonly also?: readonly ('semaphore' | 'read-write')[] | undefined;
  /**
   * One attempt, without waiting. Anything but null, undefined and false says that the lock is ours, and is kept for
   * `unlock`. A lock may be re-entrant: a name that this process holds exclusively is never asked for again.
   */
  tryLock(name: string, request: LegacyRequest): Answer<H | null | undefined | false>;
  /** Frees it, if it is still ours. false: it was not. */
  unlock(name: string, hold: LegacyHold<H>): Answer<boolean | void>;
  /** Whether anybody holds the lock. Left out: `inspect` reports what this process holds, and rejects for other names. */
  isLocked?: ((name: string) => Answer<boolean>) | undefined;
  /** Who holds it. Left out: of locks `isLocked` is asked; of the other kinds `inspect` reports what this process holds, and rejects for other names. */
  holders?: ((name: string, kind: LockKind) => Answer<readonly LegacyHolder[]>) | undefined;
  /**
   * Whether it is still ours: how a holder notices that its lock is gone, where there is no `extend`. Without `isHeld`, `isLocked` and
   * `extend` the holder notices nothing before its time is over.
   * @default `isLocked`
   */
  isHeld?: ((name: string, hold: LegacyHold<H>) => Answer<boolean>) | undefined;
  /** Keeps it for another `ttlMs`, never shorter than it has. false: it is not ours any more. */
  extend?: ((name: string, hold: LegacyHold<H>, ttlMs: number) => Answer<boolean | void>) | undefined;
  /** Frees it, no matter who holds it. false: nobody did. Left out: `forceRelease` rejects. */
  forceUnlock?: ((name: string, kind: LockKind) => Answer<boolean | void>) | undefined;
  /**
   * Frees what a `tryLock` left whose answer was lost, by its token. Left out: such a lock stays until it expires, or
   * permanently if it does not.
   */
  undo?: ((name: string, token: string, request: LegacyRequest) => Answer<unknown>) | undefined;
  /** How long after `tryLock` the store ends the lock in any case, in milliseconds: its holder is notified before that. */
  readonly leaseMs?: number | undefined;
  /**
   * What frees the lock of a dead holder: its time (`ttl`), or the end of its session, or nothing (`session`).
   * @default 'ttl' with `extend` or `leaseMs`, else 'session'
   */
  readonly expiry?: 'ttl' | 'session' | undefined;
  /** Called by the manager's `close`, when everything is freed. */
  close?: (() => Answer<unknown>) | undefined;
}
