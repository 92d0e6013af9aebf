import { builtInSchemes } from '../schemes.js';

// Descriptions are wrapped to the terminal; what stands after the options is printed as it is, so it keeps to 79 columns.

export const runDescription =
  'Takes the lock, runs the command, frees the lock. The lock is renewed while the command runs, and freed however it ends. ' +
  'When somebody else has the lock, nothing is run. The classic use is the same line in the crontab of every server:\n\n' +
  '  0 3 * * *  holdfast run nightly-report --busy-ok -- /srv/app/report.sh';

export const run = `
The command finds in its environment
  HOLDFAST_LOCK           the lock's name
  HOLDFAST_FENCING_TOKEN  a number that rises with every holder. Hand it to what
                          the lock protects, which is to refuse lower ones.
                          Permits have none. That of --read is to be compared
                          with those of writers, and never to be recorded.

Exit codes: those of the command, 128 + n when signal n ended it, and
  64   wrong usage or configuration; nothing was run
  69   the store was not reached, or refused; nothing was run
  74   the --report could not be written; nothing was run, or it ended with 0
  75   somebody else has the lock (0 with --busy-ok); nothing was run
  79   the lock was lost before the command had ended. A command that still
       runs then gets SIGTERM, and after --grace SIGKILL.
  126  the command cannot be run
  127  there is no such command

Signals are passed on to the command and to what it has started. After a second
signal to end, it has --grace left; a third one kills it. If holdfast itself is
killed (SIGKILL), a guard ends the command, and the lock ends after --ttl; on
PostgreSQL (advisory) and ZooKeeper at once, but the guard keeps every other run
out until the command has ended. On Windows there is no guard: the command goes
on beside the next one until it ends by itself; use a fencing check.

Examples
  holdfast run deploy --wait 10m -- ./deploy.sh production
  holdfast run reports --permits 1/3 -- ./report.sh
  holdfast run eod --max-hold 2h -- sh -c 'eod --fence $HOLDFAST_FENCING_TOKEN'
`;

export const onceDescription =
  'Runs the command unless it has run in this window, or runs now, on this server or another. For schedules on several servers whose clocks ' +
  'differ: give a window a little shorter than the time between two runs, or name a period of the calendar.\n\n' +
  '  0 * * * *  holdfast once statistics --window 55m -- /srv/app/statistics.sh\n' +
  '  5 0 * * *  holdfast once report --window day --time-zone Europe/Berlin -- /srv/app/report.sh';

export const once = `
A run that fails (ends with another code than 0) does not count, so that the
next server may try; --at-most-once counts it too. Where nothing was run the
exit code is 0, or that of --skip-code, and nothing is said. Everything else
(codes, environment, signals) is as in holdfast run --help.

When the store is away as the command ends, noting that it has run is tried for
one --ttl, under the lock. If that fails too, holdfast ends with the command's
own code, or with
  80   the command succeeded and that could not be noted: it may run again

What --at-most-once promises lasts as long as the store remembers: a Redis
that persists nothing forgets at a restart, and replicas may lack the last
second at a fail-over. PostgreSQL and ZooKeeper forget nothing that was noted.

The lock's name is once/<name>: holdfast inspect once/statistics
Whether it is due: holdfast once statistics --status (with --window and
--time-zone where it runs by the calendar). All that is noted as done:
holdfast ls --marks
`;

export const leadDescription =
  'Campaigns, and runs the command while it leads: one command among all that campaign for the name. When the lead is lost the command is ended, and started ' +
  'once more when it leads again. For a daemon on several servers of which one is to work:\n\n' +
  '  holdfast lead scheduler -- /srv/app/scheduler';

export const lead = `
A command that ends by itself ends the lead, and holdfast with its code; with
--restart it campaigns once more after a pause, which grows while the command
fails. The pause leaves the others the lead. Asked to end (SIGTERM), the command
gets the signal, and when it has ended the lead is given back. Everything else
(codes, environment, signals, the guard) is as in holdfast run --help.

HOLDFAST_FENCING_TOKEN is the term: a number that rises with every leader. Hand
it to what the command writes to, which is to refuse lower ones.

  79   with --exit-on-loss: the lead was lost before the command had ended

The lock's name is election/<name>: holdfast inspect election/scheduler
Who leads: holdfast leader scheduler
`;

export const holdDescription =
  'Takes the lock and holds it until SIGINT, SIGTERM or SIGHUP, or for a time, then frees it and ends with 0. The lock is renewed meanwhile. Prints one line ' +
  'when it is held, so that a script can wait for that. Ends with 79 when the lock is lost.';

export const acquireDescription =
  'Takes the lock and prints a lease, one word, by which the following steps of a script renew and free it. Nothing renews it by itself: choose a --ttl that ' +
  'is longer than the longest step, and check what renew answers. A script that dies leaves the lock until its time is over.';

export const acquire = `
The lease is a secret: everybody who has it can renew and free the lock. Others
see the arguments of a process, so hand it on in the environment or on stdin:

  HOLDFAST_LEASE=$(holdfast acquire deploy --ttl 10m) || exit
  export HOLDFAST_LEASE
  ./build.sh
  holdfast renew || exit     # 79: it is lost, somebody else may be at work
  ./upload.sh
  holdfast free

It works where a lock ends by its time (Redis, Redlock, PostgreSQL with
strategy=table). Elsewhere the lock would end with this command, which then
takes nothing and ends with 64.

Exit codes: 0, and 64 wrong usage or such a store, 69 the store was not reached,
75 somebody else has the lock (0 with --busy-ok, which prints no lease).
`;

export const renewDescription =
  'Keeps the lock of a lease for another --ttl from now on, never for less than it has. Ends with 0, with 79 when the lock is lost: what follows must not ' +
  'count on it; with 69 when the store was not reached.';

export const freeDescription =
  'Frees the lock of a lease. Ends with 0, with 79 when the lock had been lost before: others may have had it meanwhile; with 69 when the store was not reached.';

export const schemaDescription =
  'Prints the SQL that makes what Holdfast needs in a PostgreSQL database, for an administrator to run where the role of the application may not. It may be run ' +
  'any number of times. Asks no server.';

export const completionDescription =
  'Prints a script that completes the commands and options of holdfast. bash: source <(holdfast completion bash). zsh: save it as _holdfast in a folder of fpath. ' +
  'fish: holdfast completion fish > ~/.config/fish/completions/holdfast.fish';

export const releaseDescription =
  'Frees a lock, no matter who holds it. The holder learns of it by its next renewal, after a third of its time to live at the latest, and may be ' +
  'at work until then: only fencing tokens protect the resource meanwhile.';

export const topDescription =
  'Shows what is held, live: by whom, for how long, until when, how many wait and for how long, and how often holders change. Enter shows one lock by itself; x ' +
  'takes it away from its holder, after a question.';

export const top = `
Keys: arrows, j and k choose; enter inspects; s sorts by the next column, S the
other way round; / filters; p pauses; x takes away; ? shows all; q quits.

Each look asks the store for all that is held: on a busy store give a prefix or
a longer --every. At most 20,000 names are shown. PostgreSQL's advisory locks
cannot be listed: give their names by --name.

Into a pipe: holdfast ls --watch

Examples
  holdfast top
  holdfast top orders: --sort oldest
  holdfast top --url postgres://localhost/shop --name nightly-report deploy
`;

export const serveDescription =
  'Shows what is held as a page, for this machine only unless --host and --allow-host say otherwise. Read-only without --allow-release. The page has no users of its own: ' +
  'everybody who reaches it sees the names and holders of all locks.';

export const serve = `
The page answers only browsers that ask for it as localhost, 127.0.0.1, [::1] or
one of --allow-host. Put a proxy that knows your users in front of it before
others can reach it, and name the host that the proxy passes on. It ends by
Ctrl-C or SIGTERM.

In your own service: createLockPage of holdfast/page.

Examples
  holdfast serve
  holdfast serve orders: --port 8080 --allow-release
  holdfast serve --host 0.0.0.0 --allow-host locks.example.com
`;

export const doctorDescription =
  'Looks at the configuration and at the server (version, eviction, persistence, replicas, role, clock, permissions, poolers, timeouts, limits), says what is wrong ' +
  'for locks, what to set, and what the server did not let it see. Changes nothing. Ends with 0, with 1 when something is wrong, with 69 when the store ' +
  'was not reached.';

export const initNodesDescription =
  'Lets the nodes of redlock://... vote at once, instead of after a quarantine of maxTtlMs from their first contact. For a new deployment only: it ' +
  'works while every node answers and none has been in use, and shows what each node has before it asks. Ends with 0 when they vote, else with 69.';

export const newBackendDescription =
  'Writes a small project for a backend of your own: sixty lines that keep locks in a Map, the conformance suite under vitest and node:test, a file for CI. Replace the Map ' +
  'by your store; each case that fails says what to do.';

export const conformanceDescription =
  'Runs the suite that every backend must pass, on your own server. The names are random and nothing is flushed, so it may run on a server ' +
  'that is in use, and keeps it busy for a minute or two. Faults (cut connections, lost replies) are made on this side; the server is not ' +
  'disturbed. Ends with 0 when all cases passed, else with 1.';

export const conformance = `
Each case that fails says its rule, why the rule matters, the function of the
backend to look at, and what the store was asked. A case is not applicable
where the backend lacks a capability or the store is not to be disturbed, and
not run where the run ended before, by --budget or a signal. The suite runs in
a process of its own: a backend that ends or blocks it fails one case.

Exit codes
  0   no case failed that was not expected to, and none passed that was
  1   a negative answer
  64  wrong arguments, or a list of expected failures that names no case
  69  the store was not reached
  74  a report could not be written
`;

/** With the indent of what stands around it, and to the same width. */
function wrapped(text: string): string {
  return text.replace(/(.{1,75})(?: |$)/g, '  $1\n').trimEnd();
}

const schemes = Object.keys(builtInSchemes)
  .map((scheme) => (scheme === 'memory' ? 'memory:' : `${scheme}://`))
  .join(', ');

export const program = `
The store is the first of --url, the environment variable HOLDFAST_URL and the
"url" in the configuration file. A --url can be seen in the list of processes;
do not put a password there. HOLDFAST_URL_FILE names a file that holds the URL,
HOLDFAST_PASSWORD or HOLDFAST_PASSWORD_FILE a password to put into it.

The configuration file is the nearest holdfast.config.json, .js or .mjs, from
the working directory upward; its other options (prefix, ttlMs, ...) hold
wherever the URL comes from.

  redis://[user:password@]host[:port][/db]
${wrapped(`Schemes: ${schemes}. memory: is this process only, to try things.`)}

Exit codes
  0   success                                1   a negative answer
  64  wrong usage or configuration           69  the store was not reached
  75  somebody else has the lock             79  the lock was lost
  70  a fault of holdfast itself             74  the result was not written
  80  once: it ran, but was not noted        run, once, lead: else the command's

Examples
  holdfast run nightly-report --busy-ok -- ./report.sh
  holdfast once statistics --window 55m -- ./statistics.sh
  holdfast lead scheduler -- ./scheduler
  holdfast ls orders: --json
  holdfast top --sort oldest
  holdfast inspect nightly-report
  HOLDFAST_URL=redis://cache:6379 holdfast health
`;

/** What stands behind the options of a command, by its name. */
export const behind: Readonly<Record<string, string>> = { run, once, lead, acquire, conformance };
