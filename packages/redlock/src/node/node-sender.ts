import { nextTick } from 'node:process';
import { isLockError, systemClock } from '@holdfast/core';
import { type ClientSource, type DriverClient, isNoScript, unavailable } from '@holdfast/redis/connection';
import { NodeFailure } from '../protocol/node.js';
import { type Script, scripts } from '../scripts.generated.js';

/** One request to one script. */
interface Piece {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly argument: string;
  readonly timeoutMs: number;
  /** Its script takes one request only, and the whole reply is the answer. */
  readonly isAlone: boolean;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (failure: NodeFailure) => void;
}

interface Command {
  readonly script: Script;
  readonly pieces: Piece[];
  sentAt: number;
}

/** The scripts that take many requests. */
const MANY: ReadonlySet<Script> = new Set([scripts.acquire, scripts.confirm, scripts.extend, scripts.release]);
/** Not so many that the server is held up. */
const MOST_PIECES = 128;
/** After so long without an answer a connection of ours is given up. Longer than a node is waited for: its late votes can still be freed. */
const GIVE_UP_MS = 2000;

/**
 * Sends requests to the scripts of one node. Requests of one tick that go to the same script share a command; their
 * order is kept, so that a release is carried out behind the request that it undoes.
 *
 * A node that has been silent for `silentAfterMs` is asked nothing more until it answers: what cannot be answered need
 * not be waited for, and a hung server does not collect requests that it would carry out all at once.
 */
export class NodeSender {
  readonly #source: ClientSource;
  readonly #markerKey: string;
  readonly #header: string;
  readonly #silentAfterMs: number;
  #queue: Piece[] = [];
  #isScheduled = false;
  #isClosed = false;
  readonly #inFlight = new Set<Command>();
  #watch: { cancel(): void } | null = null;
  #isSilent = false;
  #whenIdle: (() => void) | null = null;

  constructor(source: ClientSource, markerKey: string, header: string, silentAfterMs: number) {
    this.#source = source;
    this.#markerKey = markerKey;
    this.#header = header;
    this.#silentAfterMs = silentAfterMs;
  }

  /**
   * Resolves with the request's own reply: its element of the script's list, or the whole when the script answered with
   * one text for all, or takes one request only.
   *
   * @throws NodeFailure
   */
  send(script: Script, keys: readonly string[], argument: string, timeoutMs: number, isAlone = false): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new NodeFailure('closed', { mayHappen: false, retryable: true }));
      if (this.#isSilent) return reject(new NodeFailure('it does not answer', { mayHappen: false, retryable: true }));
      this.#queue.push({ script, keys, argument, timeoutMs, isAlone, resolve, reject });
      if (this.#isScheduled) return;
      this.#isScheduled = true;
      nextTick(this.#flush);
    });
  }

  async drain(timeoutMs: number): Promise<void> {
    if (this.#isIdle) return;
    await new Promise<void>((resolve) => {
      const timer = systemClock.setTimer(timeoutMs, resolve);
      this.#whenIdle = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#watch?.cancel();
    this.#watch = null;
  }

  get #isIdle(): boolean {
    return this.#queue.length === 0 && this.#inFlight.size === 0;
  }

  readonly #flush = (): void => {
    const { current } = this.#source.link;
    if (current !== null) {
      this.#isScheduled = false;
      this.#dispatch(current);
      return;
    }
    this.#source.link.open(Math.max(this.#queue[0]?.timeoutMs ?? 0, 1)).then(
      (client) => {
        this.#isScheduled = false;
        this.#dispatch(client);
      },
      (error: unknown) => {
        this.#isScheduled = false;
        const failure = failureOf(error, false);
        for (const { reject } of this.#queue.splice(0)) reject(failure);
        this.#settleIdle();
      },
    );
  };

  #dispatch(client: DriverClient): void {
    const commands: Command[] = [];
    for (const piece of this.#queue.splice(0)) {
      const last = commands.at(-1);
      if (last !== undefined && last.script === piece.script && MANY.has(piece.script) && last.pieces.length < MOST_PIECES)
        last.pieces.push(piece);
      else commands.push({ script: piece.script, pieces: [piece], sentAt: 0 });
    }
    const stream = commands.length > 1 ? client.stream : null;
    stream?.cork?.();
    for (const command of commands) this.#run(client, command);
    stream?.uncork?.();
  }

  #run(client: DriverClient, command: Command): void {
    const { script, pieces } = command;
    const keys = [this.#markerKey];
    const args = [this.#header];
    for (const piece of pieces) {
      keys.push(...piece.keys);
      args.push(piece.argument);
    }
    command.sentAt = systemClock.now();
    this.#inFlight.add(command);
    if (this.#watch === null) this.#arm(client);
    const done = (reply: unknown): void => {
      this.#end(command);
      for (const [index, piece] of pieces.entries()) {
        piece.resolve(Array.isArray(reply) && !piece.isAlone ? (reply as unknown[])[index] : reply);
      }
    };
    const failed = (error: unknown): void => {
      this.#end(command);
      const failure = failureOf(error, true);
      for (const piece of pieces) piece.reject(failure);
    };
    client.evalsha(script.sha, keys.length, ...keys, ...args).then(done, (error: unknown) => {
      // It has not run, so it may be sent again; only this time does the whole text travel.
      if (isNoScript(error)) client.eval(script.source, keys.length, ...keys, ...args).then(done, failed);
      else failed(error);
    });
  }

  #end(command: Command): void {
    this.#inFlight.delete(command);
    this.#isSilent = false;
    this.#settleIdle();
  }

  #settleIdle(): void {
    if (this.#whenIdle === null || !this.#isIdle) return;
    this.#whenIdle();
    this.#whenIdle = null;
  }

  /** One timer for all commands: most are answered long before it fires. */
  #arm(client: DriverClient): void {
    if (this.#isClosed) return;
    this.#watch = systemClock.setTimer(this.#silentAfterMs, () => {
      // When the event loop has stood still, the answers may be there already, behind this timer: one more turn lets them in.
      this.#watch = systemClock.setTimer(0, () => {
        this.#watch = null;
        const [oldest] = this.#inFlight;
        if (oldest === undefined) return;
        const silentFor = systemClock.now() - oldest.sentAt;
        if (silentFor >= this.#silentAfterMs) this.#isSilent = true;
        // Commands on a connection that is given up settle with its end.
        if (silentFor >= GIVE_UP_MS) this.#source.link.giveUp(client, null);
        else this.#arm(client);
      });
    });
  }
}

/** What a driver's error comes to, without its secrets. A command that an error reply refused has not been carried out, but a script may have begun. */
export function failureOf(error: unknown, wasSent: boolean): NodeFailure {
  if (error instanceof NodeFailure) return error;
  const told = unavailable(error);
  const retryable = !isLockError(told, 'LOCK_BACKEND_UNAVAILABLE') || told.retryable;
  return new NodeFailure(told.message.replace(/^redis: /, ''), { mayHappen: wasSent, retryable });
}
