import process from 'node:process';
import { createElection } from '@holdfast/election';
import { exitCodes } from '../exit-codes.js';
import { codeOf, describeEnding } from '../guarded/run-guarded.js';
import type { Output } from '../output.js';
import { quoted } from '../printable.js';
import { type CommandOptions, withCommandSession } from './command-session.js';

export interface LeadOptions extends Omit<CommandOptions, 'maxHold'> {
  readonly stepDown?: number;
  readonly retry?: number;
  readonly restart?: boolean;
  readonly exitOnLoss?: boolean;
}

/** `holdfast lead`: a command while leading. Answers the exit code. */
export async function lead(name: string, argv: readonly string[], options: LeadOptions, output: Output): Promise<number> {
  const { ttl: ttlMs, label, stepDown: stepDownMs, retry: retryMs, restart = false, exitOnLoss = false } = options;
  return await withCommandSession(argv, options, output, async (session) => {
    await using election = createElection(session.manager, name, { ttlMs, label, stepDownMs, retryMs });
    const end = new AbortController();
    let code: number | null = null;
    let failure: { readonly error: unknown } | null = null;
    const finish = (exitCode: number): void => {
      code = exitCode;
      end.abort();
    };
    await election.run(
      async ({ lease, signal }) => {
        if (process.stderr.isTTY) output.tell(`leading ${quoted(name)} in term ${lease.fencingToken}`);
        const led = {
          name: lease.name,
          fencingToken: lease.fencingToken,
          signal,
          get isHeld() {
            return lease.isHeld && !signal.aborted;
          },
        };
        const ending = await session.runCommand(led).catch((error: unknown) => {
          // It could not be started, or somebody wants an end of it: neither becomes better by another term. A loss in the meantime may.
          if (signal.aborted && !session.interrupted.aborted) return null;
          failure = { error };
          end.abort();
          return null;
        });
        if (ending === null) return;
        // A hang-up that ended the command was meant for all of this.
        if (session.isAskedToEnd || ending.signal === 'SIGHUP') finish(codeOf(ending));
        else if (signal.aborted) {
          output.tell(`no longer the leader of ${quoted(name)}; the command ${describeEnding(ending)}`, 'red');
          if (exitOnLoss) finish(exitCodes.lost);
        } else if (!restart) finish(codeOf(ending));
        else {
          output.tell(`the command ${describeEnding(ending)}; campaigning for ${quoted(name)} once more`);
          // A failure makes the pause longer.
          if (ending.code !== 0) throw new Error(`the command ${describeEnding(ending)}`);
        }
      },
      { signal: AbortSignal.any([session.interrupted, end.signal]), onTaskError: 'campaign' },
    );
    return codeAfter(code, failure, session.interrupted);
  });
}

/** What `run` has left behind. @throws what kept the command from beginning, or that an end was asked for before it began */
function codeAfter(code: number | null, failure: { readonly error: unknown } | null, interrupted: AbortSignal): number {
  if (failure !== null) throw failure.error;
  if (code !== null) return code;
  interrupted.throwIfAborted();
  return exitCodes.internal;
}
