import { randomBytes } from 'node:crypto';
import { systemClock } from '@holdfast/core';
import { clientSource, resolveRedisOptions } from '@holdfast/redis/connection';
import { type RedisServer, startRedis } from '@holdfast/test/servers';
import { World } from '@holdfast/test/simulation';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyLayout } from '../src/node/key-layout.js';
import { RedisNode } from '../src/node/redis-node.js';
import type { MarkReply, NodeState, Unit, Vote } from '../src/protocol/node.js';
import { hintBoundMicros, quarantineMs } from '../src/protocol/validity.js';
import { SimulatedNode } from './simulator/simulated-node.js';

const MAX_TTL_MS = 600_000;
const LONG_MS = 500_000;
/** Runs out within the test, at moments that the test waits for. */
const SHORT_MS = 300;
const TIMEOUT_MS = 5000;
const ID = 'abcdef0123456789';
const MODES = ['exclusive', 'read', 'write', 'permits'] as const;

let server: RedisServer;
let admin: Redis;

beforeAll(async () => {
  server = await startRedis({ config: {} });
  admin = new Redis(server.port);
});
afterAll(async () => {
  admin.disconnect();
  await server.close();
});

/** The same node twice: the scripts on a real server, and the simulator's. */
class Pair {
  readonly real: RedisNode;
  readonly simulated: SimulatedNode;

  constructor() {
    const settings = {
      layout: new KeyLayout('holdfast:'),
      maxTtlMs: MAX_TTL_MS,
      quarantineMs: quarantineMs(MAX_TTL_MS),
      hintBoundMicros: hintBoundMicros(MAX_TTL_MS),
      id: ID,
      silentAfterMs: TIMEOUT_MS,
    };
    const source = clientSource(resolveRedisOptions('test', { url: server.url }), systemClock);
    this.real = new RedisNode('real', source, settings, systemClock, { onWake: () => {} });
    // Nobody listens on the real one either, so that a waiter who is notified is forgotten.
    this.simulated = new SimulatedNode({ ...settings, clock: () => Date.now() * 1000, publish: () => false });
  }
}

/** Without what is another from one moment to the next. */
function timeless(reply: MarkReply): unknown {
  return reply.kind === 'mark' && reply.mark !== null
    ? { ...reply.mark, ageMs: 0, remainingMs: reply.mark.remainingMs > LONG_MS / 2 }
    : reply;
}

describe('the simulated node', () => {
  it.each([1, 2, 3, 4])('answers as the scripts do, command for command (%i)', { timeout: 60_000 }, async (seed) => {
    await admin.flushall();
    const world = new World(seed);
    const { real, simulated } = new Pair();
    const log: string[] = [];
    const same = <T>(what: string, theirs: T, ours: T): void => {
      log.push(`${what}: ${JSON.stringify(theirs)}`);
      if (JSON.stringify(theirs) !== JSON.stringify(ours)) {
        throw new Error(
          `the simulated node says ${JSON.stringify(ours)}\n${log
            .filter((line) => line.includes(what.split(' ')[2] ?? ''))
            .slice(-14)
            .join('\n')}`,
        );
      }
    };
    await compareQuarantine(real, simulated);
    const owners = Array.from({ length: 5 }, () => randomBytes(16).toString('hex'));
    const counters = new Map<string, number>();
    let hint = Date.now() * 1000;
    let expiresBefore = 0;
    for (let step = 0; step < 500; step++) {
      // Short holds end either before the next step or long after it: at the moment itself the two may differ.
      if (expiresBefore > 0 && Date.now() > expiresBefore - 150) {
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, expiresBefore - Date.now()) + 50));
        expiresBefore = 0;
      }
      const mode = world.pick(MODES);
      const name = `n${world.integer(0, 1)}`;
      const owner = world.pick(owners);
      const slots = mode === 'permits' ? world.pick([[0], [1], [2], [0, 1], [1, 2]]) : [];
      const unit: Unit = { name, mode, owner, slots, label: 'l' };
      const id = `${mode} ${name} ${owner}`;
      const ttlMs = world.chance(0.15) ? SHORT_MS : LONG_MS;
      const counter = world.chance(0.8) ? (counters.get(id) ?? 0) : 12_345;
      hint += world.integer(-2000, 3000);
      const what = world.integer(0, 9);
      if (what <= 3) {
        const request = [{ unit, ttlMs, hint, waits: mode !== 'read' && world.chance(0.4), limit: mode === 'permits' ? 3 : 1 }];
        if (ttlMs === SHORT_MS) expiresBefore = Math.max(expiresBefore, Date.now() + SHORT_MS);
        const [theirs] = await real.acquire(request, TIMEOUT_MS);
        const [ours] = simulated.acquire(ID, request);
        same(`acquire ${id} ${slots.join()}`, roughly(theirs), roughly(ours));
        if (theirs?.kind === 'granted') counters.set(id, theirs.counter);
      } else if (what === 4) {
        const request = [{ unit, counter, token: hint + 5 }];
        same(`confirm ${id} ${counter}`, await real.confirm(request, TIMEOUT_MS), simulated.confirm(request));
      } else if (what === 5) {
        const request = [{ unit, counter, token: hint + 5, ttlMs: LONG_MS, restMs: LONG_MS, repair: world.chance(0.6) }];
        const theirs = await real.extend(request, TIMEOUT_MS);
        same(`extend ${id} ${counter}`, theirs, simulated.extend(request));
        const [extension] = theirs;
        if (typeof extension === 'object' && extension !== null) counters.set(id, extension.counter);
      } else if (what <= 7) {
        // What depends on moments is compared below, where the test chooses them.
        const request = [{ name, mode, owner, quiet: false }];
        const released = await real.release(request, TIMEOUT_MS);
        same(
          `release ${id}`,
          released.map(({ wasFreed }) => wasFreed),
          simulated.release(ID, request),
        );
      } else if (what === 8) {
        const kind = mode === 'exclusive' ? 'lock' : mode === 'permits' ? 'semaphore' : 'read-write';
        const of = mode === 'read' ? 'write' : mode;
        if (world.chance(0.2))
          same(`force ${kind} ${name}`, await real.forceRelease(name, kind, TIMEOUT_MS), simulated.forceRelease(ID, name, of));
        same(`inspect ${kind} ${name}`, stateOf(await real.inspect(name, kind, TIMEOUT_MS)), stateOf(simulated.inspect(name, of)));
      } else {
        const token = `${owner}${world.pick(['0123abcd', '4567ef01'])}`;
        const command = world.pick([
          { what: 'set', token, ms: LONG_MS, label: `label of ${id}` },
          { what: 'keep', token, ms: LONG_MS },
          { what: 'drop', token },
          { what: 'read' },
          { what: 'delete' },
        ] as const);
        same(`mark ${name} ${command.what}`, timeless(await real.mark(name, command, TIMEOUT_MS)), timeless(simulated.mark(name, command)));
        if (world.chance(0.3)) {
          const waiting = { name, mode, permits: 1, limit: mode === 'permits' ? 3 : 1 };
          await real.withdraw(waiting, TIMEOUT_MS);
          simulated.withdraw(ID, waiting);
          const kind = mode === 'exclusive' ? 'lock' : mode === 'permits' ? 'semaphore' : 'read-write';
          const notes = [{ name, kind, waiters: world.pick([0, 1, 7]), oldestWaitMs: 1_000, validMs: LONG_MS }] as const;
          await real.noteWaiters(notes, TIMEOUT_MS);
          simulated.noteWaiters(ID, notes);
        }
      }
    }
    real.close();
  });

  it('gives readers their turn after a writer, and wakes nobody for votes that were no hold, as the scripts do', async () => {
    await admin.flushall();
    const { real, simulated } = new Pair();
    await compareQuarantine(real, simulated);
    const unit = (name: string, mode: Unit['mode'], digit: string): Unit => ({ name, mode, owner: digit.repeat(32), slots: [], label: '' });
    const ask = async (who: Unit, waits: boolean): Promise<string | undefined> => {
      const request = [{ unit: who, ttlMs: LONG_MS, hint: 0, waits, limit: 1 }];
      const [[theirs], [ours]] = [await real.acquire(request, TIMEOUT_MS), simulated.acquire(ID, request)];
      expect(theirs?.kind).toBe(ours?.kind);
      return theirs?.kind;
    };
    const give = async ({ name, mode, owner }: Unit, quiet: boolean): Promise<void> => {
      const request = [{ name, mode, owner, quiet }];
      const released = await real.release(request, TIMEOUT_MS);
      expect(released.map(({ wasFreed }) => wasFreed)).toEqual(simulated.release(ID, request));
    };
    const waiters = async (name: string): Promise<number> => {
      const theirs = await real.inspect(name, 'lock', TIMEOUT_MS);
      expect(theirs.waiters).toBe(simulated.inspect(name, 'exclusive').waiters);
      return theirs.waiters;
    };
    const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    const [first, second, reader, late] = [
      unit('w', 'write', '1'),
      unit('w', 'write', '2'),
      unit('w', 'read', '3'),
      unit('w', 'read', '4'),
    ];
    expect(await ask(first, false)).toBe('granted');
    expect(await ask(reader, true)).toBe('refused');
    expect(await ask(second, true)).toBe('refused');
    await give(first, false);
    // Those who wait are notified first; nobody listens here, so only the turn is left, and the writer.
    expect(await ask(reader, false)).toBe('granted');
    await pause(300);
    expect(await ask(second, true)).toBe('refused');
    expect(await ask(late, false)).toBe('refused');

    const [holder, waiting] = [unit('x', 'exclusive', '5'), unit('x', 'exclusive', '6')];
    expect(await ask(holder, false)).toBe('granted');
    expect(await ask(waiting, true)).toBe('refused');
    await pause(300);
    await give(holder, true);
    expect(await waiters('x')).toBe(1);
    expect(await ask(holder, false)).toBe('granted');
    expect(await ask(waiting, true)).toBe('refused');
    await give(holder, true);
    expect(await waiters('x')).toBe(0);
    real.close();
  });
});

/** Both abstain when they are new, and vote once they were opened; they refuse to be opened twice. */
async function compareQuarantine(real: RedisNode, simulated: SimulatedNode): Promise<void> {
  const unit: Unit = { name: 'q', mode: 'exclusive', owner: '0'.repeat(32), slots: [], label: '' };
  const request = [{ unit, ttlMs: 1000, hint: 0, waits: false, limit: 1 }];
  for (const votes of [await real.acquire(request, TIMEOUT_MS), simulated.acquire(ID, request)]) expect(votes[0]?.kind).toBe('abstained');
  for (const command of ['look', 'open', 'close'] as const) {
    const [theirs, ours] = [await real.status(command, TIMEOUT_MS), simulated.status(command)];
    expect({ done: theirs.done, isKnown: theirs.marker?.runId === theirs.runId }).toEqual({
      done: ours.done,
      isKnown: ours.marker?.runId === ours.runId,
    });
    expect(Math.abs(theirs.quarantineMs - ours.quarantineMs)).toBeLessThan(2000);
  }
  await admin.flushall();
  simulated.empty();
  for (const command of ['open', 'close', 'open', 'open'] as const) {
    expect((await real.status(command, TIMEOUT_MS)).done).toBe(simulated.status(command).done);
  }
}

/** But for what two clocks tell a little differently. */
function roughly(vote: Vote | undefined): unknown {
  if (vote === undefined || vote.kind === 'abstained') return vote?.kind;
  const taken = vote.taken.toSorted((a, b) => a - b);
  if (vote.kind === 'granted') return { ...vote, taken };
  return { ...vote, taken, remainingMs: span(vote.remainingMs) };
}

function stateOf({ waiters, holders }: NodeState): unknown {
  const rough = holders.map((holder) => ({ ...holder, remainingMs: span(holder.remainingMs), heldMs: typeof holder.heldMs }));
  return { waiters, holders: rough.sort((a, b) => (a.id < b.id ? -1 : 1)) };
}

function span(ms: number | null): string {
  return ms === null ? 'unknown' : ms > 2 * SHORT_MS ? 'long' : 'short';
}
