import type { Manager, Message, PushWorld, Reply, Wait } from './push-world.js';
import { believe, endWait } from './push-manager.js';

const nothing = { fence: 0, seen: 0, score: null, leftMs: null, granted: [], nextIsGranted: false, nextFence: 0 } as const;

/** A request reaches the server, which answers it and says whom else it has granted. */
export function carryOut(world: PushWorld, message: Message): void {
  const { server, serverTime: now, on } = world;
  const { rules } = on;
  const { kind, wait, next } = message;
  const base = { ...nothing, at: now, node: world.node };
  world.former = server.copy();
  const isLate = rules.requestsExpire && now > message.lastMoment;
  let reply: Reply = { ...base, answer: 'late' };
  if (kind === 'release' && wait !== null) {
    const mayHaveNext = !isLate || !rules.nextExpires;
    const nextIsGranted = server.release(wait, mayHaveNext ? next : null, now);
    const nextFence = next === null ? 0 : (server.holdOf(next.id)?.fence ?? 0);
    reply = { ...base, answer: 'yes', nextIsGranted, nextFence };
  } else if (!isLate && kind === 'enrol' && wait !== null) {
    const { answer, score } = server.enrol(wait, wait.score, now);
    const ends = server.holds.filter(({ isProvisional }) => isProvisional).map(({ expiry }) => expiry - now);
    reply = { ...base, answer, score, fence: server.holdOf(wait.id)?.fence ?? 0, leftMs: ends.length === 0 ? null : Math.min(...ends) };
  } else if (!isLate && kind === 'renew' && wait !== null) {
    const { stands, fence } = server.renew(wait, now);
    reply = { ...base, answer: stands ? 'yes' : 'no', fence };
  } else if (!isLate && kind === 'sign') {
    const granted = server.sign(message.manager, now);
    const ends = server.holds.filter(({ isProvisional }) => isProvisional).map(({ expiry }) => expiry - now);
    const leftMs = ends.length === 0 ? null : Math.min(...ends);
    reply = { ...base, answer: granted === null ? 'unknown' : 'yes', granted: granted ?? [], leftMs };
  }
  if (!isLate || kind === 'release') mindOverlooked(world, kind);
  if (world.managers[message.manager]?.isDead === true) {
    drop(world, message);
    // What a dead manager costs counts from its last sign of life.
    if (!isLate && kind !== 'release') world.idle = 0;
  } else message.reply = reply;
  publish(world);
}

/** What the server has granted to waiters is on its way to their managers. */
export function publish(world: PushWorld): void {
  for (const { asker, fence, seen } of world.server.pushes.splice(0)) {
    const reply: Reply = { ...nothing, answer: 'granted', at: world.serverTime, node: world.node, fence, seen };
    const wait = asker as Wait;
    if (world.managers[wait.manager]?.isDead === true) continue;
    world.messages.push({ kind: 'push', manager: wait.manager, wait, next: null, stamp: 0, lastMoment: 0, reply });
  }
}

/** The one who is first and fits has been granted, after each step that may hand on. */
function mindOverlooked(world: PushWorld, kind: Message['kind']): void {
  const handsOn = kind === 'release' || kind === 'enrol' || kind === 'sign';
  if (handsOn && world.server.overlooked(world.serverTime)) world.broken ??= 'a waiter that is the first and fits was not granted';
}

export function drop(world: PushWorld, message: Message): void {
  world.messages.splice(world.messages.indexOf(message), 1);
}

/** A message that is not delivered: its sender will send another, or wait for ever. */
export function lose(world: PushWorld, message: Message): void {
  drop(world, message);
  const manager = world.managers[message.manager] as Manager;
  if (message.kind === 'sign') manager.signsUnderWay--;
  if (message.kind === 'release' && message.wait !== null) message.wait.isReleasing = false;
  if (message.next !== null && message.next.phase === 'next') endWait(world, message.next);
}

/** A manager reads what came. */
export function hear(world: PushWorld, message: Message): void {
  drop(world, message);
  const manager = world.managers[message.manager] as Manager;
  const { reply, wait, kind } = message;
  if (reply === null || manager.isDead) return;
  if (kind === 'push' && wait !== null) return hearPush(world, manager, wait, reply);
  if (kind === 'sign') {
    manager.signsUnderWay--;
    if (reply.answer === 'late') return;
    if (reply.answer === 'yes') noteSign(world, manager, message, reply);
    const again = manager.waits.filter(
      ({ phase, id }) => phase === 'waiting' && (reply.answer === 'unknown' || reply.granted.includes(id)),
    );
    for (const each of again) claim(world, each);
    noteEnd(world, manager, reply);
  } else if (wait !== null && kind === 'enrol') hearEnrol(world, manager, wait, message, reply);
  else if (wait !== null && kind === 'renew') hearRenewal(world, manager, wait, message, reply);
  else if (wait !== null) hearRelease(world, wait, message, reply);
}

function claim(world: PushWorld, wait: Wait): void {
  if (wait.unanswered < 2) world.send({ kind: 'enrol', manager: wait.manager, wait, next: null });
}

/** The sign by which the server counts. Of two in the same moment either will do: both were stamped before it. */
function noteSign(world: PushWorld, manager: Manager, { stamp }: Message, { at, node }: Reply): void {
  if (world.on.rules.knowsServerOfSign && manager.node !== node) {
    if (node < manager.node) return;
    manager.signs = [];
  }
  manager.node = Math.max(manager.node, node);
  manager.signs.push({ server: at, stamp });
  if (manager.signs.length > 4) manager.signs.shift();
}

function noteEnd(world: PushWorld, manager: Manager, { leftMs }: Reply): void {
  if (leftMs !== null && world.on.rules.asksAtEnd) manager.askAt = Math.min(manager.askAt, world.localTime(manager) + leftMs);
}

function hearPush(world: PushWorld, manager: Manager, wait: Wait, { fence, seen, node }: Reply): void {
  const { rules, provisional, ttl } = world.on;
  if (wait.phase === 'held' && rules.declines) world.send({ kind: 'release', manager: wait.manager, wait, next: null });
  if (wait.phase !== 'waiting') return;
  const now = world.localTime(manager);
  const knows = manager.node === node || !rules.knowsServerOfSign;
  const named = knows ? manager.signs.findLast(({ server }) => server === seen)?.stamp : undefined;
  const from = {
    'the-named-sign': named,
    'its-last-sign': manager.lastSent,
    receipt: now,
    'its-last-refusal': wait.wasHeard ? wait.refusedAt : undefined,
  }[rules.headCountsFrom];
  if (from === undefined || (ttl < provisional && !rules.startsWithShortTtl) || from + provisional - now < 1) return claim(world, wait);
  believe(world, wait, from + provisional, fence, node);
  world.send({ kind: 'renew', manager: wait.manager, wait, next: null });
}

function hearEnrol(world: PushWorld, manager: Manager, wait: Wait, message: Message, reply: Reply): void {
  wait.unanswered--;
  const { answer, fence, node, score } = reply;
  if (answer !== 'late') noteSign(world, manager, message, reply);
  if (wait.phase === 'held' && answer === 'granted') {
    if (fence !== wait.fence) endWait(world, wait);
    else if (world.believes(wait)) wait.deadline = Math.max(wait.deadline, message.stamp + world.on.ttl);
  }
  if (wait.phase !== 'waiting') return;
  if (answer === 'granted') {
    if (message.stamp + world.on.ttl > world.localTime(manager)) believe(world, wait, message.stamp + world.on.ttl, fence, node);
    else endWait(world, wait);
  } else if (answer === 'busy') {
    wait.score = score;
    wait.refusedAt = wait.wasHeard ? Math.max(wait.refusedAt, message.stamp) : message.stamp;
    wait.wasHeard = true;
    noteEnd(world, manager, reply);
  } else if (wait.unanswered === 0) claim(world, wait);
}

function hearRenewal(world: PushWorld, _manager: Manager, wait: Wait, message: Message, { answer, fence }: Reply): void {
  if (wait.phase !== 'held' || answer === 'late') return;
  if (answer === 'no') endWait(world, wait);
  else if (world.believes(wait)) {
    wait.deadline = Math.max(wait.deadline, message.stamp + world.on.ttl);
    // The one who confirms by an acquire takes whatever that one was granted.
    if (world.on.rules.confirmsBy === 'acquire') wait.fence = fence;
  }
}

function hearRelease(world: PushWorld, wait: Wait, message: Message, reply: Reply): void {
  const { rules } = world.on;
  wait.isReleasing = false;
  const { next } = message;
  if (next !== null) {
    next.unanswered--;
    if (next.phase === 'next' && reply.nextIsGranted) {
      const manager = world.managers[next.manager] as Manager;
      if (message.stamp + world.on.ttl > world.localTime(manager))
        believe(world, next, message.stamp + world.on.ttl, reply.nextFence, reply.node);
      else endWait(world, next);
    } else if (next.phase === 'next') {
      next.phase = 'waiting';
      world.send({ kind: 'enrol', manager: next.manager, wait: next, next: null });
    }
  }
  if (wait.phase !== 'doubtful') return;
  const moment = rules.doubtEnds === 'heard-later' ? world.serverTime : reply.at;
  if (rules.doubtEnds === 'with-any-release' || !wait.mustOutlast || moment > wait.lastMoment) wait.phase = 'ended';
}
