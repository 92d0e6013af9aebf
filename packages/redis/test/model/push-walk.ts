import { type Move, movesOf } from './push-manager.js';
import { carryOut, drop, hear, lose, publish } from './push-network.js';
import type { PushSetting } from './push-rules.js';
import { PushWorld } from './push-world.js';

/** A property that does not hold, and how that came about. */
export interface PushViolation {
  readonly broken: string;
  readonly history: readonly string[];
}

/** What walks that have broken nothing have seen. */
export interface PushWalks {
  readonly violation: PushViolation | null;
  readonly longestIdle: number;
}

const DEPTH = 80;

/** Random walks from the beginning; the same seed takes the same ones. */
export function walkPush(on: PushSetting, steps: number, seed: number): PushWalks {
  let random = seed;
  const below = (count: number): number => {
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    return (random >>> 0) % count;
  };
  let longestIdle = 0;
  for (let step = 0; step < steps; ) {
    const world = new PushWorld(on);
    const history: string[] = [];
    for (let depth = 0; depth < DEPTH; depth++, step++) {
      const moves = allMoves(world);
      if (moves.length === 0) break;
      let move = moves[below(moves.length)] as Move;
      // What is rare in life is rare here, or nobody would ever get anywhere.
      for (let again = 0; again < 4 && move.isRare && below(8) > 0; again++) move = moves[below(moves.length)] as Move;
      history.push(move.action);
      move.happen();
      world.check();
      if (!isIdle(world)) world.idle = 0;
      if (world.broken !== null) return { violation: { broken: world.broken, history }, longestIdle };
    }
    longestIdle = Math.max(longestIdle, world.longestIdle);
  }
  return { violation: null, longestIdle };
}

function allMoves(world: PushWorld): readonly Move[] {
  const moves: Move[] = [];
  const add = (move: Move): void => void moves.push(move);
  const { on } = world;
  if (mayPass(world)) {
    add({ action: 'a tick', isRare: false, happen: () => tick(world, null) });
    if (world.slips < on.slips) {
      for (const [index] of world.managers.entries()) {
        add({ action: `a tick, but not on the clock of ${index}`, isRare: true, happen: () => tick(world, index) });
      }
    }
  }
  if (world.forced < on.forcedReleases && world.server.holds.length > 0)
    add({ action: 'a forced release', isRare: true, happen: () => force(world) });
  if (on.failover !== null && world.node === 0)
    add({ action: 'a fail-over', isRare: true, happen: () => failOver(world, on.failover ?? 0) });
  for (const [index] of world.managers.entries()) movesOf(world, index, add);
  for (const message of world.messages) {
    const what = `${message.kind} of ${message.wait?.id ?? `manager ${message.manager}`}`;
    if (message.reply === null) add({ action: `the server: ${what}`, isRare: false, happen: () => carryOut(world, message) });
    else add({ action: `heard: ${what}`, isRare: false, happen: () => hear(world, message) });
    const isKept = world.isPrompt(message.manager) && !(message.kind === 'push' && world.lostPushes < (on.prompt?.lostPushes ?? 0));
    if (isKept) continue;
    const happen = (): void => {
      if (world.isPrompt(message.manager)) world.lostPushes++;
      lose(world, message);
    };
    add({ action: `lost: ${what}`, isRare: true, happen });
  }
  return moves;
}

/** Time stands still while the one who is prompt has something to do. */
function mayPass(world: PushWorld): boolean {
  const { on, managers, messages } = world;
  if (on.prompt === null) return true;
  if (messages.some(({ manager }) => world.isPrompt(manager))) return false;
  for (const [index, manager] of managers.entries()) {
    if (!world.isPrompt(index)) continue;
    const now = world.localTime(manager);
    const isWaiting = manager.waits.some(({ phase }) => phase === 'waiting');
    if (isWaiting && (now - manager.lastSent >= on.interval || now >= manager.askAt)) return false;
    if (manager.waits.some((wait) => wait.phase === 'held' && !world.believes(wait))) return false;
  }
  return true;
}

/** Manager 0 waits, and nobody uses the name: it is free, or kept for somebody who has not taken it. */
function isIdle({ managers, server, serverTime }: PushWorld): boolean {
  const isWaiting = managers[0]?.waits.some(({ phase, wasHeard }) => phase === 'waiting' && wasHeard) === true;
  return (
    isWaiting &&
    server.holds.every(({ isProvisional, expiry }) => isProvisional || expiry <= serverTime) &&
    !managers.some(({ waits }) => waits.some(({ phase }) => phase === 'held'))
  );
}

function tick(world: PushWorld, slips: number | null): void {
  const { on } = world;
  if (on.prompt !== null && isIdle(world)) {
    world.idle++;
    world.longestIdle = Math.max(world.longestIdle, world.idle);
    if (world.idle > on.prompt.idle) world.broken ??= `the name is idle for more than ${on.prompt.idle} ticks`;
  }
  world.time++;
  const manager = slips === null ? undefined : world.managers[slips];
  if (manager === undefined) return;
  manager.slip++;
  world.slips++;
}

function force(world: PushWorld): void {
  world.forced++;
  const held = new Set(world.server.holds.map(({ asker }) => asker.id));
  for (const { waits } of world.managers) for (const wait of waits) if (held.has(wait.id)) wait.isForced = true;
  world.server.force(world.serverTime);
  publish(world);
}

/** What its clients had from the old one is the old one's, and documented as such. */
function failOver(world: PushWorld, ahead: number): void {
  const { fence } = world.server;
  world.server = world.former.copy();
  // Fences are times of the clock: those of a later moment are higher, whatever was lost.
  world.server.fence = fence;
  world.node = 1;
  world.offset = ahead;
  for (const { waits } of world.managers) {
    for (const wait of waits) if (wait.phase !== 'waiting' && wait.phase !== 'queued') wait.isExcused = true;
  }
  for (const message of [...world.messages])
    if (message.kind === 'release' && message.reply === null) {
      if (message.wait !== null) message.wait.isReleasing = false;
      if (message.next?.phase === 'next') message.next.phase = 'queued';
      drop(world, message);
    }
}
