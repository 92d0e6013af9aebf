import { calm, Random, type Weather } from '@holdfast/test/simulation';

/** How many permits every semaphore of a simulation has. */
export const LIMIT = 3;

/** What is taken: a lock, one side of a read/write lock, or some permits. */
export interface Target {
  readonly kind: 'lock' | 'read-write' | 'semaphore';
  readonly name: string;
  readonly mode: 'exclusive' | 'read' | 'write' | 'permits';
  readonly permits: number;
}

/** One call of one client, and what is done with what it takes. Times are in milliseconds since the beginning. */
export interface CallPlan {
  readonly client: number;
  /** Names the call in the history and, as the label of its requests, in the store. */
  readonly label: string;
  readonly at: number;
  readonly how: 'acquire' | 'try' | 'task' | 'all' | 'each' | 'lead';
  readonly targets: readonly Target[];
  readonly ttlMs: number;
  readonly renew: boolean;
  readonly maxHoldMs: number | null;
  readonly waitMs: number;
  readonly abortAfterMs: number | null;
  /** For how long it is used before it is released. */
  readonly holdMs: number;
  readonly extend: { readonly afterMs: number; readonly ttlMs: number } | null;
}

/** Something that happens to a client. */
export interface ClientFault {
  readonly at: number;
  readonly what: 'pause' | 'jump';
  readonly ms: number;
}

/** How a process ends: in order; killed; killed as soon as a renewal of its own is late on its way. */
export type ClientEnd = 'close' | 'crash' | 'crash-behind-renewal';

/** One process with one manager. */
export interface ClientPlan {
  readonly rate: number;
  readonly skewMs: number;
  /** What its callers do falls on multiples of this, all of one multiple in one turn; 0: each thing in a turn of its own. */
  readonly turnMs: number;
  readonly faults: readonly ClientFault[];
  /** null: it is there to the end. */
  readonly end: { readonly at: number; readonly how: ClientEnd; readonly drainMs: number } | null;
}

/** All that happens in one simulation, as data: the same for the same seed, and smaller where a failure is made small. */
export interface Scenario {
  readonly seed: number;
  /** Nothing goes wrong: no call may fail then. */
  readonly isCalm: boolean;
  readonly isFair: boolean;
  /** Requests expire, so that one may arrive after its sender has given it up. */
  readonly expires: boolean;
  readonly weather: Weather;
  /** When all faults stop. */
  readonly quietAt: number;
  readonly serverRate: number;
  /** The server's wall clock is set. */
  readonly serverJump: { readonly at: number; readonly ms: number } | null;
  readonly clients: readonly ClientPlan[];
  readonly calls: readonly CallPlan[];
  /** Who has it loses it, by an operator's hand. */
  readonly forced: readonly { readonly at: number; readonly target: Target }[];
}

/** Which kinds of network a store bears. */
export interface StoreTraits {
  /** Whether requests expire: never, always, or as the seed says. */
  readonly expires: boolean | 'either';
  readonly fair: boolean | 'either';
  /** Whether a request may arrive twice: a driver sends again. */
  readonly duplicates: boolean;
  /** By how much its wall clock may be set, in milliseconds. */
  readonly serverJumps: readonly number[];
}

const START_MS = 3_000;
/** One in so many scenarios has an election besides. */
const ELECTION_EVERY = 8;
/** One in so many has a crowd of callers, which act together. */
const CROWD_EVERY = 8;
const CROWD_TURN_MS = 20;
const QUIET_MS = 4_000;
/** So long that nothing ends by itself while somebody looks. */
const LONG_TTL_MS = 40_000;

/** What one seed does to a store. */
export function scenarioOf(seed: number, traits: StoreTraits): Scenario {
  const random = new Random(seed);
  const isCalm = random.chance(0.15);
  const expires = traits.expires === 'either' ? random.chance(0.6) : traits.expires;
  const isFair = traits.fair === 'either' ? random.chance(0.5) : traits.fair;
  const count = random.integer(2, 3);
  const isCrowded = seed % CROWD_EVERY === 1;
  const clients = Array.from({ length: count }, () => clientOf(random, isCalm, isCrowded ? CROWD_TURN_MS : 0));
  const calls: CallPlan[] = [];
  const kinds = random.pick(['lock', 'lock', 'lock', 'read-write', 'semaphore', 'all'] as const);
  for (let number = random.integer(4, 9); number > 0; number--) {
    const client = random.integer(0, count - 1);
    const end = clients[client]?.end ?? null;
    const call = callOf(random, client, `${client}.${calls.length}`, kinds, end === null);
    // Long enough for a renewal to be on its way.
    calls.push(end?.how === 'crash-behind-renewal' ? { ...call, ttlMs: random.pick([900, 2_000]), renew: true, holdMs: START_MS } : call);
  }
  if (seed % ELECTION_EVERY === 0) calls.push(...candidatesOf(seed, count, calls.length));
  if (isCrowded) calls.push(...crowdOf(seed, count, calls.length));
  const forced = isCalm || random.chance(0.8) ? [] : [{ at: random.between(0, START_MS), target: targetOf(random, kinds) }];
  return {
    seed,
    isCalm,
    isFair,
    expires,
    weather: isCalm ? calm : weatherOf(random, expires, traits.duplicates),
    quietAt: QUIET_MS,
    serverRate: rateOf(random),
    serverJump: isCalm || random.chance(0.6) ? null : { at: random.between(0, START_MS), ms: random.pick(traits.serverJumps) },
    clients,
    calls: calls.sort((a, b) => a.at - b.at),
    forced,
  };
}

function weatherOf(random: Random, expires: boolean, duplicates: boolean): Weather {
  return {
    fastestMs: 0.1,
    slowestMs: random.chance(0.5) ? 2 : random.between(2, 60),
    straggles: random.chance(0.3) ? 0 : random.between(0, 0.25),
    // Some come after every deadline of their call.
    stragglesMs: random.pick([300, 800, 3_000, 6_000]),
    loses: random.chance(0.4) ? 0 : random.between(0, 0.2),
    noticesMs: random.pick([200, 5_000]),
    secondAnswers: 0.5,
    duplicates: expires && duplicates && random.chance(0.3) ? random.between(0, 0.3) : 0,
    abandons: expires && random.chance(0.5) ? random.between(0, 0.3) : 0,
  };
}

/** Clocks keep within one in a hundred. */
function rateOf(random: Random): number {
  return 1 + random.between(-0.0099, 0.0099);
}

function clientOf(random: Random, isCalm: boolean, turnMs: number): ClientPlan {
  const faults: ClientFault[] = [];
  if (!isCalm && random.chance(0.3)) {
    for (let left = random.integer(1, 2); left > 0; left--)
      faults.push({
        at: random.between(0, START_MS),
        what: 'pause',
        ms: random.chance(0.5) ? random.between(1, 100) : random.between(100, 2_000),
      });
  }
  if (!isCalm && random.chance(0.2)) {
    faults.push({ at: random.between(0, START_MS), what: 'jump', ms: random.pick([-5_000, -200, 200, 700, 60_000]) });
  }
  const end = random.chance(0.25)
    ? ({
        at: random.between(200, START_MS),
        how: isCalm ? 'close' : random.pick(['close', 'close', 'crash', 'crash-behind-renewal'] as const),
        drainMs: random.pick([0, 0, 50, 500]),
      } as const)
    : null;
  return {
    rate: rateOf(random),
    skewMs: random.chance(0.3) ? random.between(-3_600_000, 3_600_000) : random.between(-50, 50),
    turnMs,
    faults,
    end,
  };
}

function callOf(random: Random, client: number, label: string, kinds: Kinds, mayBeLong: boolean): CallPlan {
  const how = random.pick(
    kinds === 'lock' || kinds === 'all'
      ? (['acquire', 'acquire', 'acquire', 'try', 'task', 'all', 'each'] as const)
      : (['acquire', 'acquire', 'try', 'task'] as const),
  );
  const targets = how === 'all' || how === 'each' ? ['a', 'b'].map(lockOf) : [targetOf(random, kinds)];
  const ttlMs = mayBeLong && random.chance(0.4) ? LONG_TTL_MS : random.pick([90, 300, 300, 900, 2_000]);
  return {
    client,
    label,
    at: random.chance(0.5) ? random.between(0, 400) : random.between(0, START_MS),
    how,
    targets,
    ttlMs,
    renew: random.chance(0.7),
    maxHoldMs: random.chance(0.1) ? random.integer(50, 500) : null,
    waitMs: random.pick([0, 20, 300, 1_000, 2_500, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]),
    abortAfterMs: random.chance(0.25) ? random.between(0, random.pick([3, 60, 800])) : null,
    holdMs: random.pick([0, random.between(0, 20), random.between(0, 300), random.between(0, 900)]),
    extend: random.chance(0.2) ? { afterMs: random.between(0, 200), ttlMs: random.pick([1, 200, 1_500]) } : null,
  };
}

/** Candidates of one election: by a sequence of their own, so that the rest of the scenario is what it is without them. */
function candidatesOf(seed: number, clients: number, calls: number): CallPlan[] {
  const random = new Random(seed ^ 0x1eade2);
  return Array.from({ length: random.integer(2, 4) }, (_, number) => {
    const client = number % clients;
    return {
      client,
      label: `${client}.${calls + number}`,
      at: random.between(0, random.pick([10, 1_000])),
      how: 'lead',
      targets: [lockOf('election/a')],
      ttlMs: random.pick([300, 900, 2_000]),
      renew: true,
      maxHoldMs: null,
      waitMs: Number.POSITIVE_INFINITY,
      abortAfterMs: null,
      holdMs: random.between(100, START_MS),
      extend: null,
    };
  });
}

/** Many who want one name for a short time, and of whom some give up: by a sequence of their own, likewise. */
function crowdOf(seed: number, clients: number, calls: number): CallPlan[] {
  const random = new Random(seed ^ 0xc40d);
  const kind = random.pick(['lock', 'read-write', 'read-write', 'semaphore'] as const);
  return Array.from({ length: random.integer(6, 12) }, (_, number) => {
    const client = random.integer(0, clients - 1);
    return {
      client,
      label: `${client}.${calls + number}`,
      at: random.between(0, 200),
      how: random.pick(['acquire', 'acquire', 'task'] as const),
      targets: [{ ...targetOf(random, kind), name: 'crowd' }],
      ttlMs: random.pick([300, 900, 2_000]),
      renew: random.chance(0.7),
      maxHoldMs: null,
      waitMs: random.pick([300, 1_000, Number.POSITIVE_INFINITY]),
      abortAfterMs: random.chance(0.4) ? random.between(0, 200) : null,
      holdMs: random.between(0, random.pick([10, 200])),
      extend: null,
    };
  });
}

type Kinds = Target['kind'] | 'all';

function targetOf(random: Random, kinds: Kinds): Target {
  const kind = kinds === 'all' ? random.pick(['lock', 'read-write', 'semaphore'] as const) : kinds;
  if (kind === 'semaphore') return { kind, name: 'a', mode: 'permits', permits: random.pick([1, 1, 2, LIMIT]) };
  if (kind === 'read-write') return { kind, name: 'a', mode: random.pick(['read', 'read', 'write'] as const), permits: 1 };
  return lockOf(random.pick(['a', 'a', 'a', 'b']));
}

function lockOf(name: string): Target {
  return { kind: 'lock', name, mode: 'exclusive', permits: 1 };
}

/** One thing that is held: a lock, a semaphore or a read/write lock of some name. */
export function keyOf({ kind, name }: Pick<Target, 'kind' | 'name'>): string {
  return `${kind} ${name}`;
}

export function kindOfMode(mode: Target['mode']): Target['kind'] {
  return mode === 'exclusive' ? 'lock' : mode === 'permits' ? 'semaphore' : 'read-write';
}
