// Faults of today's libraries that were measured on real servers, and the case of the suite that shows each; or why none can. A case that did not
// fail is said so on the page.

/** @type {readonly { readonly of: readonly string[], readonly fault: string, readonly cases?: readonly string[], readonly why?: string }[]} */
export const knownFaults = [
  {
    of: ['redlock-4', 'redis-semaphore-redlock', 'redlock-universal'],
    fault: 'one server of several that is silent holds every call up',
    cases: ['nodes/one-silent'],
  },
  { of: ['redlock-5'], fault: 'an even number of servers and a tie: a call never settles', cases: ['nodes/tie'] },
  { of: ['redlock-4'], fault: 'an extension that failed frees a lock that stood', cases: ['deadline/failed-extend'] },
  {
    of: ['redlock-universal'],
    fault: 'frees only the servers that reported a success: what the others have stays until it expires',
    cases: ['deadline/lost-reply', 'wire/one-way'],
  },
  {
    of: ['verrou-memory'],
    fault: 'the first owner of a name is never forgotten',
    cases: ['exclusive/lock/is-taken-and-freed', 'exclusive/lock/hand-over'],
  },
  {
    of: ['verrou-knex'],
    fault: "a hold expires by the clock of the client that asks: a client that runs ahead takes somebody else's lock",
    cases: ['clock/ahead', 'process/clock-ahead'],
  },
  {
    of: ['advisory-lock'],
    fault: 'a connection that the server ends takes the process with it',
    cases: ['wire/cut', 'wire/silent', 'unavailable/blip'],
  },
  { of: ['advisory-lock'], fault: 'a connection for each one who waits', cases: ['wire/connections'] },
  {
    of: ['redis-semaphore-mutex', 'redis-semaphore-redlock'],
    fault: 'the end of Redis ends the process though `onLockLost` is set',
    why: 'the refresh by itself is switched off here: the manager renews',
  },
  {
    of: ['redlock-5', 'sesamecare-redlock', 'redis-semaphore-redlock'],
    fault: 'a late vote completes a quorum whose time is over, and two have the lock',
    why: 'the manager judges each grant by its own clock before anybody has it',
  },
  {
    of: ['redlock-5', 'sesamecare-redlock', 'redis-semaphore-mutex'],
    fault: 'on a network that is silent the holder is never notified',
    why: 'the manager watches the deadline here',
  },
  {
    of: ['redlock-4', 'verrou-redis'],
    fault: 'the error of the release takes the place of the error of the task (`using`, `run`)',
    why: 'the manager runs the task here',
  },
  {
    of: ['redis-semaphore-mutex'],
    fault: 'the owner belongs to the object and not to the hold, so tasks that share an object are all inside',
    why: 'an object is made for each hold here',
  },
  {
    of: ['redis-semaphore-redlock'],
    fault: '`RedlockSemaphore` counts on each server by itself, and messages in another order break its limit',
    why: 'semaphores are not asked for here; `nodes/permits` shows it of a backend that declares them',
  },
  {
    of: ['redlock-5'],
    fault: 'timers keep a process that has nothing else to do',
    why: "the driver's own connections keep the process too, in all of them",
  },
  {
    of: ['redlock-universal'],
    fault: 'a ttl of less than 1,250 ms renews without a pause',
    why: 'its own renewal is not used here: the manager renews',
  },
  { of: ['verrou-redis'], fault: 'no attempts at all count as a success', why: 'one attempt is asked for here' },
];
