import { until } from '@holdfast/test/servers';
import type { Leader } from '@holdfast/election';
import { describe, expect, it } from 'vitest';
import { twoCandidates, untilAborted } from './candidates.js';

describe('observe', () => {
  it('gives the present leader and each change, at once for what this process wins and loses', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    const seen: (bigint | null)[] = [];
    const stop = new AbortController();
    const following = (async () => {
      for await (const leader of mine.observe({ signal: stop.signal, everyMs: 60_000 })) seen.push(leader?.term ?? null);
    })();
    await until('it has looked', () => seen.length === 1);
    const first = await mine.campaign();
    await until('it knows', () => seen.length === 2);
    await first.release();
    await until('it knows of the end', () => seen.length === 3);
    expect(seen).toEqual([null, first.fencingToken, null]);
    stop.abort();
    await following;
    const second = await theirs.campaign();
    for await (const leader of mine.observe({ everyMs: 10 })) {
      expect(leader).toMatchObject({ term: second.fencingToken, label: 'server-1' });
      break;
    }
  });

  it('shares one question among all observers of a process, and asks nothing when none is left', async () => {
    await using servers = twoCandidates({}, { manual: true });
    const [mine] = servers.elections;
    const [link] = servers.links;
    const observers = Array.from({ length: 10 }, () => mine.observe());
    const firsts = observers.map((observer) => observer.next());
    await servers.clock.advance(0);
    expect(await Promise.all(firsts)).toEqual(firsts.map(() => ({ done: false, value: null })));
    link.resetCalls();
    await servers.clock.advance(10_000);
    expect(link.calls.inspect).toBe(10);
    for (const observer of observers) await observer.return?.();
    link.resetCalls();
    await servers.clock.advance(10_000);
    expect(link.calls.inspect).toBe(0);
    expect(await observers[0]?.next()).toEqual({ done: true, value: undefined });
  });

  it('gives terms that never fall, though an older answer comes late', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    const late = servers.links[0].stallNext('inspect', { at: 'reply' });
    const old = await theirs.campaign();
    const asked = mine.leader();
    await late.reached;
    await old.release();
    const own = await mine.campaign();
    late.resume();
    expect(await asked).toMatchObject({ term: own.fencingToken, label: 'server-0' });
    await own.release();
  });

  it('goes on over looks that fail, and ends with the election and with the manager', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    const seen: (Leader | null)[] = [];
    const follow = async (election: typeof mine): Promise<void> => {
      for await (const leader of election.observe({ everyMs: 5 })) seen.push(leader);
    };
    const following = follow(mine);
    await until('it has looked', () => seen.length === 1);
    servers.links[0].failNext('inspect');
    const lease = await theirs.campaign();
    await until('it sees the leader', () => seen.length === 2);
    await mine.close();
    await following;
    const other = follow(theirs);
    await until('the other one sees it', () => seen.length === 3);
    await lease.release();
    await servers.locks[1].close();
    await other;
  });

  it('tells of leaders that changed, each once', async () => {
    await using servers = twoCandidates();
    const [mine, theirs] = servers.elections;
    const first = await theirs.campaign();
    await mine.leader();
    await mine.leader();
    await first.release();
    const second = await theirs.campaign();
    const leader = await mine.leader();
    expect(JSON.parse(JSON.stringify(leader))).toEqual({ label: 'server-1', term: `${second.fencingToken}`, since: leader?.since });
    const changes = servers.events.filter(({ type }) => type === 'leader-changed').map(({ term }) => term);
    expect(changes).toEqual([first.fencingToken, first.fencingToken, second.fencingToken, second.fencingToken]);
  });
});

describe('a leader that cannot renew', () => {
  const options = { ttlMs: 30_000, retryMs: 2_000 };

  it('steps down a third of its ttl before its deadline, when the other cannot lead yet', async () => {
    await using servers = twoCandidates(options, { manual: true });
    const [mine, theirs] = servers.elections;
    const { clock } = servers;
    const reasons: unknown[] = [];
    const run = mine.run(async ({ lease, signal }) => {
      await untilAborted({ signal });
      reasons.push(signal.reason, lease.isHeld, lease.signal.aborted);
    });
    await clock.advance(0);
    void theirs.run(untilAborted).catch(() => {});
    await clock.advance(25_000);
    expect(mine.health()).toMatchObject({ ok: true, leading: true });
    servers.links[0].disconnect({ silent: true });
    await clock.advance(14_000);
    expect(reasons).toEqual([]);
    await clock.advance(1_500);
    expect(reasons).toMatchObject([{ reason: 'stepped-down' }, true, false]);
    expect(theirs.health().leading).toBe(false);
    await clock.advance(11_500);
    expect(theirs.health().leading).toBe(true);
    servers.links[0].reconnect();
    void mine.close();
    void theirs.close();
    await clock.advance(5_000);
    await run;
  });

  it('counts in proportion where the store vouches for less than the ttl', async () => {
    await using servers = twoCandidates({ ...options, stepDownMs: 19_000 }, { manual: true });
    const [mine] = servers.elections;
    const { clock } = servers;
    const run = mine.run(untilAborted);
    await clock.advance(120_000);
    expect(servers.told()).not.toContain('server-0: resigned');
    expect(mine.health().leading).toBe(true);
    void mine.close();
    await clock.advance(1_000);
    await run;
  });

  it('that wins and loses again and again waits for longer and longer', async () => {
    await using servers = twoCandidates({ ttlMs: 3_000, retryMs: 1_000 }, { manual: true });
    const [mine] = servers.elections;
    const { clock } = servers;
    const electedAt: number[] = [];
    const run = mine.run(
      () => {
        electedAt.push(clock.now());
        throw new Error('sick');
      },
      { onTaskError: 'campaign' },
    );
    await clock.advance(120_000);
    const pauses = electedAt.slice(1).map((at, index) => at - (electedAt[index] ?? 0));
    expect(pauses.length).toBeGreaterThan(4);
    for (const [index, pause] of pauses.slice(0, 5).entries()) {
      expect(pause).toBeGreaterThanOrEqual(500 * 2 ** index);
      expect(pause).toBeLessThanOrEqual(1_500 * 2 ** index + 10);
    }
    expect(Math.max(...pauses)).toBeLessThanOrEqual(45_000);
    void mine.close();
    await clock.advance(1_000);
    await run;
  });
});
