import { isLockError, type Lease, type LockKind } from '@holdfast/core';
import { failureOf } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';
import type { Ending } from '../guarded/command-group.js';
import type { Output } from '../output.js';
import { printableJson } from '../printable.js';
import { checkReportFile, writeReportFile } from '../report-file.js';
import { kindWanted, type WantedOptions } from '../wanted.js';

/** How a run has ended. `refused`: wrong usage, or a store that was not reached; `failed`: the command could not be run. */
type Outcome = 'exited' | 'killed' | 'busy' | 'lost' | 'interrupted' | 'refused' | 'failed';

/** Collects what `--report` says of one run: stdout and stderr belong to the command. */
export class RunReport {
  readonly #file: string | undefined;
  readonly #name: string;
  readonly #kind: LockKind;
  readonly #startedAt = new Date();
  #askedAt: number | null = null;
  #grantedAt: number | null = null;
  #endedAt: number | null = null;
  #lease: Lease | null = null;
  #lost: string | null = null;

  private constructor(file: string | undefined, name: string, wanted: WantedOptions) {
    this.#file = file;
    this.#name = name;
    this.#kind = kindWanted(wanted);
  }

  /** @param file where to; undefined: nobody wants one @throws CliError when it cannot be written, before anything is run */
  static async open(file: string | undefined, name: string, wanted: WantedOptions): Promise<RunReport> {
    if (file !== undefined) await checkReportFile(file);
    return new RunReport(file, name, wanted);
  }

  asked(): void {
    this.#askedAt = performance.now();
  }

  granted(lease: Lease): void {
    this.#grantedAt = performance.now();
    this.#lease = lease;
  }

  /** The lock is held no longer. */
  ended(error?: unknown): void {
    this.#endedAt = performance.now();
    if (isLockError(error, 'LOCK_LOST')) this.#lost = error.reason;
  }

  /**
   * Writes it. A report that cannot be written does not hide how the command has ended.
   *
   * @returns the exit code
   */
  write(exitCode: number, ending: Ending | undefined, error: unknown, output: Output): number {
    if (this.#file === undefined) return exitCode;
    const failure = error === undefined ? null : failureOf(error);
    const report = {
      name: this.#name,
      kind: this.#kind,
      mode: this.#lease?.mode ?? null,
      startedAt: this.#startedAt.toISOString(),
      waitedMs: since(this.#askedAt, this.#grantedAt ?? this.#endedAt),
      fencingToken: tokenOf(this.#lease),
      heldMs: since(this.#grantedAt, this.#endedAt),
      outcome: this.#outcomeOf(exitCode, ending, error),
      lostReason: this.#lost,
      command: ending ?? null,
      exitCode,
      error: failure === null ? null : { code: failure.code, message: output.shown(failure) },
    };
    try {
      writeReportFile(this.#file, `${printableJson(report, 2)}\n`, ending === undefined ? 'nothing was run' : 'the command was run');
      return exitCode;
    } catch (unwritten) {
      output.fail(failureOf(unwritten), false);
      return exitCode === exitCodes.ok ? exitCodes.unwritten : exitCode;
    }
  }

  #outcomeOf(exitCode: number, ending: Ending | undefined, error: unknown): Outcome {
    if (this.#lost !== null) return 'lost';
    if (isLockError(error, 'LOCK_TIMEOUT')) return 'busy';
    if (ending !== undefined) return ending.signal === null ? 'exited' : 'killed';
    const code = error === undefined ? null : failureOf(error).code;
    if (code === 'INTERRUPTED') return 'interrupted';
    return exitCode === exitCodes.notFound || exitCode === exitCodes.notExecutable ? 'failed' : 'refused';
  }
}

function tokenOf(lease: Lease | null): string | null {
  const token = lease?.fencingToken ?? null;
  return token === null ? null : String(token);
}

function since(from: number | null, to: number | null): number | null {
  return from === null || to === null ? null : Math.max(0, Math.round(to - from));
}
