import type { Clock } from '@holdfast/core';
import { fullError } from './zookeeper-error.js';
import type { SessionListener, ZooKeeperSession } from './zookeeper-session.js';

/**
 * The most that one session carries. When a session ends, the servers write the paths of all its ephemeral nodes into one transaction, and a
 * server that reads one beyond its limit cannot start again: with `jute.maxbuffer` as it comes that is 2 MiB. A quarter of that leaves
 * room for servers with a lower limit.
 */
export const MOST_BYTES = 512 * 1024;
/** The most requests in one session, whatever their paths. */
export const MOST_REQUESTS = 4000;
/** Each session has a connection and a heartbeat. */
export const MOST_SESSIONS = 8;
/** A further session is kept so long without a request. */
const IDLE_MS = 10_000;

/** What has its node in a session. */
export interface Seated {
  /** There is a connection again, to the same session. */
  reconnected(): Promise<void>;
  /** The session is over, and the node with it, or soon. */
  sessionLost(): void;
}

interface Member {
  readonly session: ZooKeeperSession;
  /** With the bytes of their paths. */
  readonly seated: Map<Seated, number>;
  bytes: number;
  idle: { cancel(): void } | null;
}

/** The sessions of one backend: the first, and further ones when that is full. */
export class SessionPool {
  readonly #open: (listener: SessionListener) => ZooKeeperSession;
  readonly #clock: Clock;
  readonly #first: Member;
  #further: readonly Member[] = [];

  constructor(open: (listener: SessionListener) => ZooKeeperSession, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
    this.#first = this.#join();
  }

  /** The session for everything but requests. */
  get first(): ZooKeeperSession {
    return this.#first.session;
  }

  get sessions(): readonly ZooKeeperSession[] {
    return this.#members().map(({ session }) => session);
  }

  /** For how long after its last good heartbeat each of them may be believed in. */
  get believedMs(): number {
    // One that is yet to be made has not negotiated its time.
    const made = this.#further.filter(({ session }) => session.id !== 0n);
    return Math.min(...[this.#first, ...made].map(({ session }) => session.believedMs));
  }

  /**
   * Gives a request a place in a session that has room.
   *
   * @param bytes what its path takes
   * @throws LockUnavailableError when all sessions are full
   */
  seat<S extends Seated>(bytes: number, make: (session: ZooKeeperSession) => S): S {
    const member = this.#members().find((one) => hasRoom(one, bytes)) ?? this.#another();
    const seated = make(member.session);
    member.seated.set(seated, bytes);
    member.bytes += bytes;
    member.idle?.cancel();
    return seated;
  }

  /** The request has no node any more. */
  leave(seated: Seated): void {
    const member = this.#members().find((one) => one.seated.has(seated));
    if (member === undefined) return;
    member.bytes -= member.seated.get(seated) ?? 0;
    member.seated.delete(seated);
    if (member.seated.size > 0 || member === this.#first) return;
    member.idle = this.#clock.setTimer(IDLE_MS, () => {
      this.#further = this.#further.filter((one) => one !== member);
      void member.session.close();
    });
  }

  async close(): Promise<void> {
    for (const { idle } of this.#further) idle?.cancel();
    await Promise.all(this.sessions.map((session) => session.close()));
  }

  #members(): readonly Member[] {
    return [this.#first, ...this.#further];
  }

  #another(): Member {
    if (this.#further.length + 1 >= MOST_SESSIONS) throw fullError(MOST_SESSIONS, MOST_REQUESTS, MOST_BYTES);
    const member = this.#join();
    this.#further = [...this.#further, member];
    return member;
  }

  #join(): Member {
    const seated = new Map<Seated, number>();
    const session = this.#open({
      onConnected: async () => {
        await Promise.all([...seated.keys()].map((one) => one.reconnected()));
      },
      onLost: () => {
        for (const one of [...seated.keys()]) one.sessionLost();
      },
    });
    return { session, seated, bytes: 0, idle: null };
  }
}

function hasRoom({ seated, bytes }: Member, more: number): boolean {
  return seated.size < MOST_REQUESTS && bytes + more <= MOST_BYTES;
}
