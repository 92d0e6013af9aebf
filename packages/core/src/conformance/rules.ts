import type { LockBackend } from '../index.js';
import type { LevelName } from './levels.js';

/** One rule of the contract, in the words of the report. */
export interface Rule {
  /** By which reports name it. */
  readonly id: string;
  /** What is promised. */
  readonly says: string;
  /** What goes wrong without it: where it was seen, the fault of a real library. */
  readonly why: string;
  /** The functions and properties of `LockBackend` to look at first; none where core alone keeps the rule. */
  readonly lookAt: readonly (keyof LockBackend)[];
  /** The rules that this one stands on: while they are broken, a failure here probably follows from theirs. */
  readonly standsOn: readonly string[];
  /** Which cases check it: the beginnings of their ids, where `*` is any one part. What has most parts decides, then the longest. */
  readonly cases: readonly string[];
  /** The level that its cases belong to, where their needs do not say it. */
  readonly level?: LevelName;
}

/** Every rule, those first on which others stand. */
export const rules: readonly Rule[] = [
  {
    id: 'idempotent',
    says: 'A request is idempotent per name and owner: asked twice, the same hold is granted once, with the same token, and one release frees all of it.',
    why: 'Drivers send a command again after a reconnect, and core asks again when a reply is lost. A semaphore that counts the copy leaks a permit; a lock that refuses its own owner is busy for nobody.',
    lookAt: ['attempt'],
    standsOn: [],
    cases: ['backend/idempotent'],
  },
  {
    id: 'owner',
    says: 'Only the owner token of a hold renews or releases the hold. A stale release or extension never touches the next holder.',
    why: "A failed extend of redlock 4.2 releases a valid lock, so that the next holder is in while 9.9 s are left; a late release of verrou's frees the next run; in redis-semaphore the owner belongs to the object, and 10 tasks are in a semaphore of 2.",
    lookAt: ['release', 'renew'],
    standsOn: ['idempotent'],
    cases: [
      'backend/owner',
      'exclusive/*/forced',
      'exclusive/*/release-once',
      'exclusive/all/stale-extend',
      'leases/per-hold',
      'leases/many-through-one-object',
      'semaphores/double-release',
      'semaphores/stale-release',
      'semaphores/one-of-two',
      'renewal/in-a-batch-each-for-itself',
    ],
  },
  {
    id: 'batches',
    says: 'Each request of a batch is answered for itself, and in its place.',
    why: 'Core renews all leases that are due with one request. One answer in the wrong place loses a valid lease and keeps a lost one.',
    lookAt: ['attempt', 'renew', 'release'],
    standsOn: ['idempotent', 'owner'],
    cases: ['backend/batches', 'names/in-batches', 'many/each', 'many/map', 'unavailable/all-or-nothing'],
  },
  {
    id: 'exclusion',
    says: 'What can be had alone has one holder at most; everybody else who asks hears that it is busy; when it is freed, the next one gets it.',
    why: 'It is what a lock is. verrou answers true for zero attempts without asking the store; redis-semaphore lets 2 holders in at limit 1 when times to live are mixed.',
    lookAt: ['attempt', 'release'],
    standsOn: ['idempotent', 'owner'],
    cases: ['exclusive/', 'backend/beside-a-manager', 'outcomes/many-names', 'wire/takes-and-frees'],
  },
  {
    id: 'outcomes',
    says: 'Busy, timeout, aborted, unavailable and lost are five outcomes, and are never confused.',
    why: 'The one who takes a dead store for a busy lock skips the work on all servers; the one who takes a timeout for a failure pages somebody at night.',
    lookAt: ['attempt'],
    standsOn: ['exclusion'],
    cases: [
      'outcomes/',
      'exclusive/*/busy-is-a-value',
      'exclusive/*/wait-runs-out',
      'exclusive/*/one-attempt',
      'backend/busy-says-how-long',
    ],
  },
  {
    id: 'unavailable',
    says: 'A store that was not reached, or did not answer, is reported as LOCK_BACKEND_UNAVAILABLE, never as busy, and every call settles by its own deadline.',
    why: 'With one hung node of three redlock 4.2 and RedlockMutex are pending after 12 s; a hung server looks like contention in DistributedLock; no driver promise may be awaited bare, because some never settle.',
    lookAt: ['attempt', 'checkHealth'],
    standsOn: ['exclusion'],
    cases: ['unavailable/', 'health/', 'wire/silent', 'wire/one-way', 'wire/cut'],
  },
  {
    id: 'names',
    says: 'Any name of 1 to 512 bytes of Unicode is legal, keeps its case, and never aliases another.',
    why: 'Two names that are one key serialise what has nothing to do with each other, or let one job free the lock of another: case-insensitive collations, trimmed spaces, `a{b}c`, `../x`, `__proto__`.',
    lookAt: ['attempt', 'inspect'],
    standsOn: ['exclusion'],
    cases: ['names/'],
  },
  {
    id: 'kinds',
    says: 'Lock x, semaphore x, read/write lock x and mark x do not know each other.',
    why: 'A forced release of a lock would free permits of a semaphore that happens to have its name.',
    lookAt: ['attempt', 'forceRelease'],
    standsOn: ['exclusion'],
    cases: ['kinds/'],
  },
  {
    id: 'inputs',
    says: 'Arguments are checked before the store is asked, read once, and refused with the name of the option.',
    why: 'A ttl of NaN is a lock for ever; an option that changes while it is read is checked as one value and used as another.',
    lookAt: ['capabilities'],
    standsOn: ['exclusion'],
    cases: ['arguments/'],
  },
  {
    id: 'leases',
    says: 'A lease knows whether it is held by a look at the clock, moves its deadline by extend and never shortens a hold; release is idempotent.',
    why: 'An object that is lock, request and lease at once made ten tasks share a semaphore of two; an extension that shortens frees a lock under its holder.',
    lookAt: ['renew', 'release'],
    standsOn: ['exclusion', 'owner'],
    cases: ['leases/', 'exclusive/*/dispose', 'backend/renew-never-shortens'],
  },
  {
    id: 'tickets',
    says: 'A hold passes to another manager by its ticket, and a ticket that says something else than the store is refused.',
    why: 'A ticket comes from outside. With a mode that is believed a reader becomes a second writer; with a token that is believed an old holder passes for a new one, or a fence is raised for ever.',
    lookAt: ['adopt', 'canAdopt', 'inspect', 'renew'],
    standsOn: ['exclusion', 'owner'],
    cases: ['tickets/'],
  },
  {
    id: 'deadline',
    says: 'The holder stops believing in its lease before the store lets the next one in, whatever the network does; a grant that comes after its deadline is never handed out.',
    why: 'redlock 5 beta, its fork of sesamecare and RedlockMutex check no validity after acquiring: a lease was granted 515 ms past its end. On a silent network their holders are never notified, in 12 to 15 s at a ttl of 2 s.',
    lookAt: ['attempt', 'renew'],
    standsOn: ['exclusion'],
    cases: ['deadline/', 'exclusive/all/expires', 'leases/not-renewed'],
  },
  {
    id: 'nothing-left',
    says: 'An acquire that timed out, was aborted or whose reply was lost leaves no lock behind.',
    why: 'redlock-universal frees only the nodes that reported success: a lock that nobody holds stands for 29.7 s.',
    lookAt: ['attempt', 'release', 'wait'],
    standsOn: ['owner', 'deadline'],
    cases: [
      'deadline/late-grant',
      'deadline/lost',
      'deadline/aborted-in-silence',
      'deadline/waiting-through-silence',
      'deadline/failed-release',
      'abort/',
      'exclusive/*/abort-while-waiting',
      'wire/cut-reply',
    ],
  },
  {
    id: 'requests-expire',
    says: 'A request that arrives after everybody has given it up takes no effect: it is refused by the clock of the store, or ends with its session.',
    why: 'A connection that was closed proves nothing. Its packets may arrive seconds later, behind the release that was to undo them, and leave a lock that nobody holds.',
    lookAt: ['requestsExpire', 'attempt', 'release'],
    standsOn: ['nothing-left'],
    cases: ['late/', 'backend/late', 'wire/late'],
    level: 'late',
  },
  {
    id: 'store-clock',
    says: "The clock of the store decides when a hold ends, never a client's.",
    why: "verrou's SQL store trusts the clients: a clock that is 31 s ahead steals a fresh lock of 30 s. redis-semaphore and effect-distributed-lock score permits by client clocks, and one caller's ttl expires the holds of others.",
    lookAt: ['attempt', 'inspect'],
    standsOn: ['exclusion', 'deadline'],
    cases: ['clock/', 'deadline/store-clock', 'backend/expired', 'semaphores/mixed-ttls', 'process/clock'],
  },
  {
    id: 'renewal',
    says: 'Leases are renewed at a third of their ttl, in batches; a failed renewal is repeated until the deadline; renewal ends before the release.',
    why: 'In ShedLock one failed keep-alive ends the renewing in silence; Redisson renews beyond the unlock; redlock-universal renews ttls under 1,250 ms in a hot loop of 50,000 requests a second.',
    lookAt: ['renew'],
    standsOn: ['owner', 'deadline'],
    cases: [
      'renewal/',
      'exclusive/all/renewed',
      'exclusive/all/told-of-force',
      'deadline/failed-extend',
      'leases/extend-outlives-renewals',
    ],
  },
  {
    id: 'waiting',
    says: 'A waiter gets its turn soon after a release, an expiry or a crash, costs less than a request a second while it waits, and passes on a turn that it does not use.',
    why: 'Twenty waiters of the libraries of today send 84 to 1,872 commands a second while nothing happens, and take 150 to 844 ms to drain 20 empty sections; advisory-lock opens a connection for each, and 45 waiters exhaust 40 connections.',
    lookAt: ['subscribe', 'wait', 'attempt'],
    standsOn: ['exclusion'],
    cases: ['waiting/', 'exclusive/*/hand-over', 'wire/connections'],
  },
  {
    id: 'fair',
    says: 'Where `capabilities.fair` is declared, the waiters of all clients are served in the order in which they came, and no newcomer overtakes them.',
    why: 'With the libraries of today 21 to 148 of 190 pairs of waiters are served out of order.',
    lookAt: ['wait', 'attempt'],
    standsOn: ['waiting'],
    cases: ['waiting/fair', 'waiting/unheard-in-line', 'backend/released-in-the-queue'],
  },
  {
    id: 'next',
    says: 'A release that names the next waiter of its own manager grants to that one only what it frees, and says so.',
    why: 'The one who has nothing any more must not hand on what somebody else may have; a grant that nobody is notified of stands until it expires.',
    lookAt: ['release', 'takesNext'],
    standsOn: ['owner'],
    cases: ['backend/next'],
  },
  {
    id: 'push',
    says: 'Where `capabilities.push` is declared, waiters are woken by a message and do not poll.',
    why: 'Polling is either slow or dear; most libraries are both.',
    lookAt: ['subscribe', 'wait'],
    standsOn: ['waiting'],
    cases: ['waiting/hand-over-is-pushed'],
  },
  {
    id: 'absence',
    says: 'That a message was not heard, a connection ended or a look found nobody is a hint, and costs nobody a hold or a place.',
    why: 'A PUBLISH that nobody heard is lost for ever; a waiter that counted on it waits until its time is over.',
    lookAt: ['subscribe', 'wait'],
    standsOn: ['waiting', 'unavailable'],
    cases: ['waiting/unheard', 'unavailable/blip', 'unavailable/recovers'],
  },
  {
    id: 'session',
    says: 'When a session ends its holds are lost at once, no two believe in one lock, and the next session begins with nothing.',
    why: "After a session of Curator's expires, acquire can succeed on the node of the old one (CURATOR-604); a backend that PostgreSQL terminates ends the whole process in advisory-lock.",
    lookAt: ['onLost', 'sessionMs'],
    standsOn: ['deadline'],
    cases: ['unavailable/killed-session'],
    level: 'session',
  },
  {
    id: 'crash',
    says: 'The lock of a dead holder is free within its time to live, or with its session; a dead waiter costs the others two seconds at most.',
    why: 'Semaphores of Redisson leak permits when a client crashes; medusa and redlock 5 beta hold a process 5 to 9 s that wanted to end.',
    lookAt: ['attempt', 'wait'],
    standsOn: ['deadline', 'waiting'],
    cases: ['crash/', 'process/killed', 'process/stopped'],
  },
  {
    id: 'process',
    says: 'A pending call keeps the process alive; a held lease, its renewal and a subscription do not.',
    why: 'Timers of redlock 5 beta end the process 9.1 s late, those of medusa 5.0 s.',
    lookAt: ['close', 'subscribe'],
    standsOn: ['exclusion'],
    cases: ['process/'],
  },
  {
    id: 'nodes',
    says: 'A store of several servers does without one of them, however that has stopped, and also where the servers are even in number.',
    why: 'With one hung node of three redlock-universal takes 5 s to take and 5 s to free; after a tie on an even number of nodes redlock 5 beta never settles, and blocks itself with its own partial grants.',
    lookAt: ['attempt', 'release', 'renew'],
    standsOn: ['unavailable'],
    cases: ['nodes/'],
    level: 'nodes',
  },
  {
    id: 'fencing',
    says: 'The tokens of one name rise strictly with its exclusive and write grants: over releases, expiry, forced release, crash and reconnect.',
    why: 'A process that stood still writes with the lock of another; only a resource that refuses lower tokens stops it. A number that does not rise is worse than none.',
    lookAt: ['attempt'],
    standsOn: ['exclusion'],
    cases: ['fencing/'],
  },
  {
    id: 'limit',
    says: 'No more permits are out than the limit says; a request gets all that it asked for, or none.',
    why: 'RedlockSemaphore of redis-semaphore counts per node: the order of messages alone breaks the limit (2 becomes 3, 4 becomes 6) in 17 to 31 % of grants, with all nodes healthy.',
    lookAt: ['attempt', 'release'],
    standsOn: ['idempotent', 'owner'],
    cases: ['semaphores/', 'exclusive/semaphore-of-1', 'exclusive/last-permit-of-5', 'nodes/permits'],
  },
  {
    id: 'read-write',
    says: 'Readers share, a writer is alone, and a waiting writer is not starved by readers who come later.',
    why: 'Without preference for writers a name that is read all the time is never written.',
    lookAt: ['attempt', 'subscribe', 'wait'],
    standsOn: ['idempotent', 'owner'],
    cases: ['read-write/', 'exclusive/write-lock'],
  },
  {
    id: 'several',
    says: 'Several locks are taken in one order, whatever order the caller names, and all or none are kept.',
    why: 'medusa takes keys in the order of the caller: 8 of 20 opposite pairs deadlocked.',
    lookAt: ['attempt', 'release'],
    standsOn: ['exclusion', 'batches'],
    cases: ['many/', 'exclusive/pair'],
  },
  {
    id: 'tasks',
    says: "A task's own error wins over everything, a loss is reported when the task has finished, and the hold is freed whatever happens.",
    why: "In redlock's `using` and verrou's `run` the error of the release replaces that of the task; a keep-alive that ShedLock is denied loses the task's result.",
    lookAt: ['release'],
    standsOn: ['exclusion'],
    cases: ['with-lock/', 'exclusive/*/with'],
  },
  {
    id: 'reentry',
    says: 'A task that asks again for what it holds is refused at once, instead of waiting for itself.',
    why: 'A task that waits for itself hangs until its lease is lost, and looks like contention.',
    lookAt: [],
    standsOn: ['tasks'],
    cases: ['reentry/'],
  },
  {
    id: 'background',
    says: 'Work in the background runs in no context of a caller and raises no unhandled rejection; events run in the context in which the lease was taken.',
    why: 'When Redis dies redis-semaphore ends the process (exit code 1) though onLockLost is set.',
    lookAt: ['subscribe', 'close'],
    standsOn: ['exclusion'],
    cases: ['contexts/', 'events/'],
  },
  {
    id: 'close',
    says: 'close refuses new calls, notifies the holders before it frees what they hold, and settles in its time, also while the store is away.',
    why: 'A shutdown that hangs is killed, and what it held stands until it expires.',
    lookAt: ['close', 'release'],
    standsOn: ['exclusion', 'waiting'],
    cases: ['close/', 'exclusive/*/close'],
  },
  {
    id: 'inspection',
    says: 'inspect and list say who holds what, and nothing that is over; forceRelease frees it no matter who has it and says whether somebody had.',
    why: 'The one who is on call decides by it whose lock to take away.',
    lookAt: ['inspect', 'list', 'forceRelease'],
    standsOn: ['exclusion'],
    cases: ['inspection/', 'waiting/inspect'],
  },
  {
    id: 'residue',
    says: 'Keys, nodes, listeners, connections and timers return to the baseline.',
    why: 'Redisson keeps fence keys for ever: 25 of the 75 million keys of one of its users.',
    lookAt: ['release', 'close'],
    standsOn: ['nothing-left'],
    cases: ['residue/'],
  },
  {
    id: 'marks',
    says: 'A completion mark is set once, by one of many, and stands for its time by the clock of the store.',
    why: 'A job that runs twice because its mark was forgotten, or set twice, is the fault that marks are there to prevent.',
    lookAt: ['marks'],
    standsOn: ['idempotent'],
    cases: ['marks/'],
  },
];

const byId: ReadonlyMap<string, Rule> = new Map(rules.map((rule) => [rule.id, rule]));

/** The rule that a case checks. @throws Error where none says that it does: every case has its rule */
export function ruleOfCase(caseId: string): Rule {
  let best: { readonly rule: Rule; readonly weight: number } | null = null;
  for (const rule of rules) {
    for (const pattern of rule.cases) {
      const weight = 1_000 * pattern.split('/').length + pattern.length;
      if (fits(pattern, caseId) && weight > (best?.weight ?? 0)) best = { rule, weight };
    }
  }
  if (best === null) throw new Error(`the conformance case ${caseId} has no rule; name it in rules.ts`);
  return best.rule;
}

/** The rule, and every rule that it stands on, by way of others too. */
export function groundsOf(rule: Rule): ReadonlySet<Rule> {
  const grounds = new Set<Rule>();
  const add = (one: Rule): void => {
    if (grounds.has(one)) return;
    grounds.add(one);
    for (const id of one.standsOn) {
      const next = byId.get(id);
      if (next === undefined) throw new Error(`the rule ${one.id} stands on ${id}, which there is not`);
      add(next);
    }
  };
  add(rule);
  return grounds;
}

function fits(pattern: string, caseId: string): boolean {
  const parts = pattern.split('/');
  const own = caseId.split('/');
  return parts.every((part, index) =>
    index === parts.length - 1 ? (own[index] ?? '').startsWith(part) : part === '*' || part === own[index],
  );
}
