import { openSync, writeSync } from 'node:fs';
import type { CallerEvent } from './history.js';
import { sinceStart } from './history.js';

/** Writes what a process does. Each line is the kernel's before the process goes on, so that a SIGKILL takes none of them away. */
export class Recorder {
  readonly #file: number;
  readonly #process: string;
  readonly #startNs: bigint;

  constructor(file: string, process: string, startNs: bigint) {
    this.#file = openSync(file, 'a');
    this.#process = process;
    this.#startNs = startNs;
  }

  get now(): number {
    return sinceStart(this.#startNs);
  }

  /** @param at when it was; now when left out */
  add(event: CallerEvent, at = this.now): void {
    writeSync(this.#file, `${JSON.stringify({ at, process: this.#process, ...event })}\n`);
  }
}
