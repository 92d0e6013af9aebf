import type { Manager, PushWorld, Wait } from './push-world.js';

/** Something that may happen next. The rarer it is, the less often a walk takes it. */
export interface Move {
  readonly action: string;
  readonly isRare: boolean;
  readonly happen: () => void;
}

/** A wait begins to believe that it holds the name. */
export function believe(world: PushWorld, wait: Wait, deadline: number, fence: number, node: number): void {
  wait.phase = 'held';
  wait.deadline = deadline;
  wait.fence = fence;
  wait.isExcused ||= node !== world.node;
  if (wait.isExcused || wait.isForced || wait.kind === 'permits') return;
  const floor = wait.kind === 'read' ? world.highestWriteFence : world.highestFence;
  if (fence <= floor) world.broken ??= 'a token does not rise';
  world.highestFence = Math.max(world.highestFence, fence);
  if (wait.kind !== 'read') world.highestWriteFence = Math.max(world.highestWriteFence, fence);
}

/** The wait or hold is over for its caller; releases go on until nothing of it can take effect. */
export function endWait(world: PushWorld, wait: Wait): void {
  const { rules } = world.on;
  if (!rules.undoes) {
    wait.phase = 'ended';
    return;
  }
  wait.phase = 'doubtful';
  wait.mustOutlast = rules.mindsUnanswered ? wait.unanswered > 0 : false;
}

/** What a manager may do by itself. */
export function movesOf(world: PushWorld, index: number, add: (move: Move) => void): void {
  const manager = world.managers[index] as Manager;
  if (manager.isDead) return;
  const { on } = world;
  const { waits } = manager;
  const now = world.localTime(manager);
  const mayDie = world.deaths < on.deaths && (on.prompt === null || index !== 0) && !waits.some((wait) => world.believes(wait));
  if (mayDie) {
    const happen = (): void => {
      manager.isDead = true;
      world.deaths++;
      world.idle = 0;
    };
    add({ action: `${index} dies`, isRare: true, happen });
  }
  const open = waits.filter(({ phase }) => phase !== 'ended' && phase !== 'doubtful');
  if (manager.begun < on.attempts && open.length < on.waits.length) {
    add({ action: `${index} begins to wait`, isRare: false, happen: () => begin(world, index) });
  }
  const head = open.find(({ phase }) => phase === 'queued');
  const isBusy = open.some(
    ({ phase, kind }) => phase === 'next' || phase === 'waiting' || (phase === 'held' && kind !== 'read' && kind !== 'permits'),
  );
  if (head !== undefined && (on.isFair || !isBusy)) {
    const happen = (): void => {
      if (world.send({ kind: 'enrol', manager: index, wait: head, next: null })) head.phase = 'waiting';
    };
    add({ action: `${index} enrols ${head.id}`, isRare: false, happen });
  }
  if (open.some(({ phase }) => phase === 'waiting') && manager.signsUnderWay < 2 && now > manager.lastSent) {
    const happen = (): void => void world.send({ kind: 'sign', manager: index, wait: null, next: null });
    add({ action: `${index} says that it is alive`, isRare: false, happen });
  }
  for (const wait of waits) actFor(world, manager, wait, open, add);
}

function begin(world: PushWorld, index: number): void {
  const { waits, begun } = world.managers[index] as Manager;
  (world.managers[index] as Manager).begun++;
  const { kind, permits } = world.on.waits[begun % world.on.waits.length] as { kind: Wait['kind']; permits: number };
  const wait = {
    id: ++world.asked,
    manager: index,
    kind,
    permits,
    phase: 'queued',
    deadline: 0,
    fence: 0,
    score: null,
    unanswered: 0,
  } as const;
  const rest = {
    lastMoment: -1000,
    mustOutlast: false,
    isReleasing: false,
    isForced: false,
    refusedAt: 0,
    wasHeard: false,
    isExcused: false,
  };
  waits.push({ ...wait, ...rest });
}

function actFor(world: PushWorld, manager: Manager, wait: Wait, open: readonly Wait[], add: (move: Move) => void): void {
  const { id, phase } = wait;
  const index = wait.manager;
  const isTested = world.on.prompt !== null && index === 0;
  if ((phase === 'waiting' || phase === 'next') && !isTested)
    add({ action: `${id} gives up`, isRare: true, happen: () => endWait(world, wait) });
  if (phase === 'waiting' && wait.unanswered < 2 && world.localTime(manager) > manager.lastSent) {
    const happen = (): void => void world.send({ kind: 'enrol', manager: index, wait, next: null });
    add({ action: `${id} asks for itself`, isRare: false, happen });
  }
  if (phase === 'held' && !world.believes(wait))
    add({ action: `${id} is at its deadline`, isRare: false, happen: () => endWait(world, wait) });
  if (phase === 'held' && world.believes(wait)) {
    add({ action: `${id} lets go`, isRare: true, happen: () => letGo(world, wait, open) });
    const isRenewing = world.messages.some((message) => message.kind === 'renew' && message.wait === wait);
    const happen = (): void => void world.send({ kind: 'renew', manager: index, wait, next: null });
    if (!isRenewing) add({ action: `${id} renews`, isRare: false, happen });
  }
  if (phase === 'doubtful' && !wait.isReleasing) {
    const happen = (): void => {
      if (world.send({ kind: 'release', manager: index, wait, next: null })) wait.isReleasing = true;
    };
    add({ action: `${id} is released`, isRare: false, happen });
  }
}

/** Hands on to the manager's own next waiter where that one stands in no queue. */
function letGo(world: PushWorld, wait: Wait, open: readonly Wait[]): void {
  const isAlone = wait.kind !== 'read' && wait.kind !== 'permits';
  const next = world.on.isFair || !isAlone ? undefined : open.find(({ phase }) => phase === 'queued');
  endWait(world, wait);
  if (wait.phase !== 'doubtful') return;
  const isSent = world.send({ kind: 'release', manager: wait.manager, wait, next: next ?? null });
  wait.isReleasing = isSent;
  if (isSent && next !== undefined) next.phase = 'next';
}
