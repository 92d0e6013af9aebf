import { randomBytes } from 'node:crypto';
import { type RedisServer, startRedis } from '@holdfast/test/servers';
import { Random } from '@holdfast/test/simulation';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { KeySpace, type ModeLetter } from '../src/key-space.js';
import { scripts } from '../src/scripts.generated.js';
import { RedisModel } from './simulator/redis-model.js';

const LONG_MS = 500_000;
/** Runs out within the test, at moments that the test waits for. */
const SHORT_MS = 300;
const STEPS = 400;
/** Times are reported a little apart; whatever was reported must be in one of these. */
const ROUGHLY_MS = 150;

let server: RedisServer;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis({ config: {} });
  redis = new Redis(server.port);
});
afterAll(async () => {
  redis.disconnect();
  await server.close();
});

describe('the model of the scripts', () => {
  it.each([1, 2, 3, 4])('answers as the scripts on a server do, command for command (%i)', { timeout: 60_000 }, async (seed) => {
    await redis.flushall();
    const random = new Random(seed);
    // Nobody listens on the real one either.
    let serverMs = 0;
    const model = new RedisModel({ micros: () => serverMs * 1000, publish: () => {} });
    const keySpace = new KeySpace('holdfast:', '');
    const managers = [randomBytes(8).toString('hex'), randomBytes(8).toString('hex')];
    const owners = Array.from({ length: 5 }, () => randomBytes(16).toString('hex'));
    const log: string[] = [];
    let expiresAt = 0;
    for (let step = 0; step < STEPS; step++) {
      // Short holds, and what waiters leave, end either before the next step or long after it: at the moment itself the two may differ.
      if (expiresAt > 0 && Date.now() > expiresAt - ROUGHLY_MS) {
        // oxlint-disable-next-line no-await-in-loop
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, expiresAt - Date.now()) + 60));
        expiresAt = 0;
      }
      const { script, keys, args, isShort } = commandOf(random, keySpace, managers, owners);
      if (isShort) expiresAt = Math.max(expiresAt, Date.now() + SHORT_MS);
      const { source } = scripts[script];
      // oxlint-disable-next-line no-await-in-loop
      const reply = await redis.eval(source, keys.length, ...keys, ...args);
      // The model runs at the very time that the server tells, so that what has run out is the same for both.
      serverMs = Number((reply as readonly unknown[]).at(-1));
      const theirs = roughly(withoutAges(script, reply));
      const ours = roughly(withoutAges(script, model.run(script, keys, args)));
      log.push(`${script} ${args.join(' ')}: ${JSON.stringify(theirs)}`);
      // The steps that led there are worth more than the difference alone.
      if (JSON.stringify(ours) !== JSON.stringify(theirs))
        throw new Error(`the model says ${JSON.stringify(ours)}\n${log.slice(-12).join('\n')}`);
    }
  });
});

type ScriptName = 'acquire' | 'enqueue' | 'renew' | 'refresh' | 'release' | 'handOver' | 'forceRelease' | 'inspect';

interface Asked {
  readonly script: ScriptName;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly isShort: boolean;
}

/** Several requests of one kind share a script. */
function commandOf(random: Random, keySpace: KeySpace, managers: readonly string[], owners: readonly string[]): Asked {
  const first = oneOf(random, keySpace, managers, owners);
  const given = ARGUMENTS_IN_FRONT[first.script];
  if (given === undefined || random.chance(0.5)) return first;
  const others = Array.from({ length: 30 }, () => oneOf(random, keySpace, managers, owners)).filter(
    ({ script }) => script === first.script,
  );
  const all = [first, ...others.slice(0, random.integer(1, 3))];
  return {
    script: first.script,
    keys: all.flatMap(({ keys }) => keys),
    args: [...first.args, ...all.slice(1).flatMap(({ args }) => args.slice(given))],
    isShort: all.some(({ isShort }) => isShort),
  };
}

/** How many arguments stand in front of those of the requests. */
const ARGUMENTS_IN_FRONT: Partial<Record<ScriptName, number>> = { acquire: 3, renew: 3, refresh: 3, release: 1 };

function oneOf(random: Random, keySpace: KeySpace, managers: readonly string[], owners: readonly string[]): Asked {
  const mode = random.pick<ModeLetter>(['x', 'x', 'r', 'w', 'p']);
  const { keys: bare, fence } = keySpace.keysOf(`n${random.integer(0, 1)}`, mode);
  const withFence = mode === 'p' ? bare : [...bare, fence];
  const manager = random.pick(managers);
  const owner = random.pick(owners);
  const isShort = random.chance(0.15);
  const ttl = String(isShort ? SHORT_MS : LONG_MS);
  const permits = String(random.integer(1, 3));
  // In time, too late, or by another server's clock.
  const notAfter = String(Date.now() + random.pick([5_000, 5_000, 5_000, 5_000, -1_000, 3_600_000]));
  const head = [`1${manager}`];
  const timed = [...head, notAfter, '60000'];
  const place = `${owner}:${owner.slice(0, 16)}:${manager}:${mode}:${mode === 'p' ? permits : 1}:${mode === 'p' ? 3 : 1}:la:bel`;
  const asked = (script: ScriptName, keys: readonly string[], args: readonly string[], endsSoon = false): Asked => ({
    script,
    keys,
    args,
    isShort: endsSoon,
  });
  const what = random.integer(0, 11);
  if (what <= 3) {
    const counts = mode === 'p' ? ` ${permits} 3` : '';
    return asked('acquire', withFence, [...timed, `${mode} ${owner} ${ttl}${counts} label`], isShort);
  }
  if (what === 4) return asked('enqueue', withFence, [...timed, mode, owner, ttl, place, '', random.pick(['0', '1'])], isShort);
  if (what === 5) {
    const keys = mode === 'p' ? bare.slice(0, 2) : mode === 'r' ? bare.slice(1, 3) : bare.slice(0, 1);
    return asked('renew', keys, [...timed, `${mode} ${owner} ${LONG_MS} 0`]);
  }
  if (what === 6) return asked('refresh', withFence, [...timed, random.chance(0.5) ? mode : `${mode} ${random.integer(1, 9)} 30000`]);
  if (what <= 8)
    return asked('release', withFence, [...head, `${mode} ${owner} ${random.pick(['0', '1'])} ${random.chance(0.5) ? place : '-'}`]);
  if (what <= 10 && (mode === 'x' || mode === 'w')) {
    const nextMode = mode === 'x' ? 'x' : random.pick(['r', 'w']);
    const text = `${mode} ${owner} ${random.pick(['0', '1'])} ${nextMode} ${random.pick(owners)} ${ttl} la bel`;
    return asked('handOver', withFence, [...timed, text, random.chance(0.5) ? place : ''], isShort);
  }
  return random.chance(0.2) ? asked('forceRelease', withFence, [...head, mode]) : asked('inspect', withFence, [...head, mode]);
}

/** For how long somebody has waited and each holder has held: of these only whether it is known. */
function withoutAges(script: ScriptName, reply: unknown): unknown {
  if (script !== 'inspect') return reply;
  const [state, now] = reply as readonly [readonly unknown[], unknown];
  const isAge = (index: number): boolean => index === 1 || (index > 2 && index % 4 === 1);
  return [state.map((field, index) => (isAge(index) ? Number(field) >= 0 : field)), now];
}

/** But for what two clocks tell a little differently: fences, times, and the rest of a hold. */
function roughly(reply: unknown): unknown {
  if (Array.isArray(reply)) return reply.map(roughly);
  if (typeof reply === 'string' && /^\d{15,17}$/.test(reply)) return 'a fence or a place';
  if (typeof reply === 'string' && /^\d{15,17}:/.test(reply)) return reply.replace(/^\d+/, 'fence');
  const [, left, owners] = typeof reply === 'string' ? (/^\d{13} (-?\d+) ([0-9a-f,]*)$/.exec(reply) ?? []) : [];
  if (left !== undefined) return ['the time', roughly(Number(left)), owners];
  const size = typeof reply === 'number' ? Math.abs(reply) : 0;
  if (size > 1_000_000_000_000) return 'the time';
  if (size > 2 * SHORT_MS) return 'long';
  return size > 2 ? 'short' : reply;
}
