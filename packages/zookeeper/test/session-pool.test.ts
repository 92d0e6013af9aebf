import { createManualClock } from '@holdfast/core/testing';
import { describe, expect, it } from 'vitest';
import { MOST_BYTES, MOST_REQUESTS, MOST_SESSIONS, type Seated, SessionPool } from '../src/session-pool.js';
import type { SessionListener, ZooKeeperSession } from '../src/zookeeper-session.js';

interface Opened {
  readonly listener: SessionListener;
  id: bigint;
  believedMs: number;
  isClosed: boolean;
}

/** A pool over sessions that know no server: what it decides needs none. */
function poolOf(): { readonly pool: SessionPool; readonly opened: Opened[]; readonly clock: ReturnType<typeof createManualClock> } {
  const clock = createManualClock();
  const opened: Opened[] = [];
  const pool = new SessionPool((listener) => {
    const session = {
      listener,
      id: 1n,
      believedMs: 1000,
      isClosed: false,
      async close(): Promise<void> {
        session.isClosed = true;
      },
    };
    opened.push(session);
    return session as unknown as ZooKeeperSession;
  }, clock);
  return { pool, opened, clock };
}

class Guest implements Seated {
  readonly told: string[] = [];
  readonly session: ZooKeeperSession;

  constructor(session: ZooKeeperSession) {
    this.session = session;
  }

  async reconnected(): Promise<void> {
    this.told.push('reconnected');
  }

  sessionLost(): void {
    this.told.push('lost');
  }
}

const seat = (pool: SessionPool, bytes: number): Guest => pool.seat(bytes, (session) => new Guest(session));

describe('requests go into the first session', () => {
  it('until it has the most requests', () => {
    const { pool, opened } = poolOf();
    for (let count = 0; count < MOST_REQUESTS; count += 1) seat(pool, 10);
    expect(opened).toHaveLength(1);
    expect(seat(pool, 10).session).toBe(opened[1]);
  });

  it('until it has the most bytes, and again when it has room', () => {
    const { pool, opened } = poolOf();
    const large = seat(pool, MOST_BYTES - 100);
    expect(seat(pool, 101).session).toBe(opened[1]);
    expect(seat(pool, 100).session).toBe(opened[0]);
    pool.leave(large);
    expect(seat(pool, 101).session).toBe(opened[0]);
  });
});

it('refuses what no session has room for, with the reason, until some is free', () => {
  const { pool, opened } = poolOf();
  const guests = Array.from({ length: MOST_SESSIONS }, () => seat(pool, MOST_BYTES));
  expect(opened).toHaveLength(MOST_SESSIONS);
  expect(() => seat(pool, 1)).toThrow(
    expect.objectContaining({
      code: 'LOCK_BACKEND_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('full') as string,
    }) as Error,
  );
  pool.leave(guests[3] as Guest);
  expect(seat(pool, 1).session).toBe(opened[3]);
});

it('ends a further session that nobody uses for a while, and never the first', async () => {
  const { pool, opened, clock } = poolOf();
  const [first, second] = [seat(pool, MOST_BYTES), seat(pool, 10)];
  pool.leave(second);
  await clock.advance(9_000);
  const third = seat(pool, 10);
  expect(third.session).toBe(opened[1]);
  await clock.advance(60_000);
  expect(opened[1]?.isClosed).toBe(false);
  pool.leave(third);
  pool.leave(first);
  await clock.advance(60_000);
  expect(opened.map(({ isClosed }) => isClosed)).toEqual([false, true]);
  expect(pool.sessions).toEqual([opened[0]]);
});

it('tells of the loss of a session only those whose nodes are in it', async () => {
  const { pool, opened } = poolOf();
  const [first, second] = [seat(pool, MOST_BYTES), seat(pool, 10)];
  opened[1]?.listener.onLost();
  await opened[0]?.listener.onConnected(false);
  expect([first.told, second.told]).toEqual([['reconnected'], ['lost']]);
});

it('believes for as long as the least of its sessions allows, but for one that has not negotiated yet', () => {
  const { pool, opened } = poolOf();
  seat(pool, MOST_BYTES);
  seat(pool, 10);
  Object.assign(opened[1] as Opened, { id: 0n, believedMs: 50 });
  expect(pool.believedMs).toBe(1000);
  Object.assign(opened[1] as Opened, { id: 2n, believedMs: 900 });
  expect(pool.believedMs).toBe(900);
});
