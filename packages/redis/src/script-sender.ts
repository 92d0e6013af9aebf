import { nextTick } from 'node:process';
import { type CallContext, systemClock } from '@holdfast/core';
import type { Link } from './link.js';
import type { DriverClient } from './redis-client.js';
import { isNoScript, neverSent, replyCode, unavailable } from './redis-error.js';
import { type Receiver, ReplyList } from './reply-list.js';
import { type Script, scripts } from './scripts.generated.js';

/** One request to one script: its keys, all in one slot, and its arguments. */
export interface Piece {
  readonly script: Script;
  readonly slot: number;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly lockName: string | null;
  readonly timeoutMs: number;
  /** Looked at only when the request had to wait for a connection. */
  readonly call: CallContext | null;
}

interface QueuedPiece {
  readonly piece: Piece;
  readonly receiver: Receiver;
  readonly index: number;
}

/** Pieces that travel as one EVALSHA. */
interface Command {
  readonly script: Script;
  readonly slot: number;
  readonly pieces: QueuedPiece[];
  client: DriverClient | null;
  sentAt: number;
  timeoutMs: number;
}

// A script that takes many requests answers with a list of replies, one each. Not so many that the server is held up.
const MOST_PIECES: Readonly<Record<string, number>> = {
  [scripts.acquire.name]: 128,
  [scripts.release.name]: 128,
  [scripts.renew.name]: 256,
  [scripts.refresh.name]: 64,
};

const FULL_QUEUE = 128;

/** A lease of some milliseconds asks for answers in fewer: that is no reason to end the connection of all the others. */
const MIN_SILENCE_MS = 250;
/** Nor to give up a connection that the others wait for: a far server takes several round trips to make one. */
const MIN_OPENING_MS = 1000;

/**
 * Sends requests to the scripts. Requests of one tick that go to the same script share a command: per slot in a
 * cluster, where a command has one slot; the commands of a tick leave in one write for each connection.
 *
 * A promise settles when its request was answered, or its connection ended, or it was never sent.
 */
export class ScriptSender {
  readonly #link: Link;
  readonly #asker: string;
  #queue: QueuedPiece[] = [];
  #isScheduled = false;
  #bySlot: boolean;
  #isClosed = false;
  readonly #inFlight = new Set<Command>();
  #watch: { cancel(): void } | null = null;
  #watchedUntil = 0;
  #whenIdle: (() => void) | null = null;

  /** @param asker the first argument of every script that takes many requests and speaks to waiters */
  constructor(link: Link, bySlot: boolean, asker: string) {
    this.#link = link;
    this.#bySlot = bySlot;
    this.#asker = asker;
  }

  /** @param read turns the reply into the result; what it throws is the rejection */
  send<T>(piece: Piece, read: (reply: unknown, lockName: string | null) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const take = (reply: unknown): void => {
        try {
          resolve(read(reply, piece.lockName));
        } catch (error) {
          reject(error);
        }
      };
      const queued: QueuedPiece = { piece, receiver: { take, fail: reject }, index: 0 };
      const { current } = this.#link;
      // Nothing to share a command with, so nothing to wait for.
      if (this.#inFlight.size === 0 && !this.#isScheduled && current !== null) this.#run(current, newCommand(queued));
      else this.#add(queued);
    });
  }

  /** Many at once: settles when all were answered, with the failure that matters most when any failed. */
  sendAll<T>(pieces: readonly Piece[], read: (reply: unknown, lockName: string | null) => T): Promise<readonly T[]> {
    const receiver = new ReplyList(pieces.length, (index) => pieces[index]?.lockName ?? null, read);
    for (const [index, piece] of pieces.entries()) this.#add({ piece, receiver, index });
    return receiver.all;
  }

  /** Resolves when everything sent was answered, or after `timeoutMs`. */
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

  #add(queued: QueuedPiece): void {
    this.#queue.push(queued);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      // After all promise callbacks of this turn: replies that came in one packet lead to requests that leave in one.
      nextTick(this.#flush);
    } else if (this.#queue.length >= FULL_QUEUE && this.#link.current !== null) {
      // Enough for a command: the server works on it while the rest is put together.
      this.#dispatch(this.#link.current, this.#take());
    }
  }

  get #isIdle(): boolean {
    return this.#queue.length === 0 && this.#inFlight.size === 0;
  }

  readonly #flush = (): void => {
    const { current } = this.#link;
    if (current !== null) {
      this.#isScheduled = false;
      this.#dispatch(current, this.#take());
      return;
    }
    // Whatever is sent until the connection stands goes with it.
    let timeoutMs = MIN_OPENING_MS;
    for (const { piece } of this.#queue) timeoutMs = Math.max(timeoutMs, piece.timeoutMs);
    this.#link.open(timeoutMs).then(
      (client) => {
        this.#isScheduled = false;
        this.#dispatch(client, this.#take().filter(isWanted));
        this.#settleIdle();
      },
      (error: unknown) => {
        this.#isScheduled = false;
        for (const queued of this.#take()) refuseUnsent(queued, error);
        this.#settleIdle();
      },
    );
  };

  #take(): QueuedPiece[] {
    const pieces = this.#queue;
    this.#queue = [];
    return pieces;
  }

  #dispatch(client: DriverClient, pieces: readonly QueuedPiece[]): void {
    const first = pieces[0];
    if (first === undefined) return;
    if (pieces.length === 1) {
      this.#run(client, newCommand(first));
      return;
    }
    const commands = this.#group(pieces);
    const streams = commands.length === 1 ? [] : streamsOf(client);
    for (const stream of streams) stream.cork?.();
    for (const command of commands) this.#run(client, command);
    for (const stream of streams) stream.uncork?.();
  }

  /** Puts pieces for one script together, without letting two for the same keys change places. */
  #group(pieces: readonly QueuedPiece[]): readonly Command[] {
    const commands: Command[] = [];
    const lastOf = new Map<string, number>();
    const lastTouched = new Map<string, number>();
    for (const queued of pieces) {
      const { piece } = queued;
      const { script } = piece;
      const most = MOST_PIECES[script.name] ?? 1;
      const group = this.#bySlot ? `${script.name} ${piece.slot}` : script.name;
      const hold = piece.keys[0] ?? '';
      const last = lastOf.get(group);
      const command = last === undefined ? undefined : commands[last];
      const touched = lastTouched.get(hold);
      if (last !== undefined && command !== undefined && command.pieces.length < most && (touched === undefined || touched <= last)) {
        command.pieces.push(queued);
        command.timeoutMs = Math.min(command.timeoutMs, Math.max(piece.timeoutMs, MIN_SILENCE_MS));
        lastTouched.set(hold, last);
      } else {
        lastTouched.set(hold, commands.length);
        lastOf.set(group, commands.length);
        commands.push(newCommand(queued));
      }
    }
    return commands;
  }

  #run(client: DriverClient, command: Command): void {
    const { script, pieces } = command;
    const keys: string[] = [];
    const args: string[] = script.name in MOST_PIECES && script !== scripts.renew ? [this.#asker] : [];
    for (const { piece } of pieces) {
      keys.push(...piece.keys);
      args.push(...piece.args);
    }
    this.#begin(client, command);
    const done = (reply: unknown): void => {
      this.#end(command);
      answer(command, reply);
    };
    const failed = (error: unknown): void => {
      this.#end(command);
      this.#fail(client, command, error);
    };
    client.evalsha(script.sha, keys.length, ...keys, ...args).then(done, (error: unknown) => {
      // It has not run, so it may be sent again; only this time does the whole text travel.
      if (isNoScript(error)) client.eval(script.source, keys.length, ...keys, ...args).then(done, failed);
      else failed(error);
    });
  }

  #fail(client: DriverClient, command: Command, error: unknown): void {
    const code = replyCode(error);
    if (code === 'CROSSSLOT' && command.pieces.some(({ piece }) => piece.slot !== command.slot)) {
      // A node of a cluster behind a plain client, which works as long as every command keeps to one slot. Several may have been on
      // their way when the first was refused.
      this.#bySlot = true;
      this.#dispatch(client, command.pieces);
      return;
    }
    // A demoted master: the next connection may lead to the new one.
    if (code === 'READONLY' && !client.isCluster) this.#link.giveUp(client, null);
    for (const queued of command.pieces) refuse(queued, error);
  }

  #begin(client: DriverClient, command: Command): void {
    command.client = client;
    command.sentAt = systemClock.now();
    this.#inFlight.add(command);
    const dueAt = command.sentAt + command.timeoutMs;
    if (this.#watch === null || dueAt < this.#watchedUntil) this.#arm(dueAt);
  }

  #end(command: Command): void {
    this.#inFlight.delete(command);
    this.#settleIdle();
  }

  #settleIdle(): void {
    if (this.#whenIdle === null || !this.#isIdle) return;
    this.#whenIdle();
    this.#whenIdle = null;
  }

  /** One timer for all commands: most are answered long before it fires. */
  #arm(dueAt: number): void {
    this.#watch?.cancel();
    this.#watch = null;
    if (this.#isClosed) return;
    this.#watchedUntil = dueAt;
    this.#watch = systemClock.setTimer(Math.ceil(dueAt - systemClock.now()), () => {
      this.#watch = null;
      const now = systemClock.now();
      let next = Number.POSITIVE_INFINITY;
      for (const { client, slot, sentAt, timeoutMs } of this.#inFlight) {
        if (sentAt + timeoutMs > now) next = Math.min(next, sentAt + timeoutMs);
        // Half-open, or the server hangs. Commands on it settle when it has ended.
        else if (client !== null) this.#link.giveUp(client, slot);
      }
      if (next !== Number.POSITIVE_INFINITY) this.#arm(next);
    });
  }
}

function newCommand(queued: QueuedPiece): Command {
  const { script, slot, timeoutMs } = queued.piece;
  return { script, slot, pieces: [queued], client: null, sentAt: 0, timeoutMs: Math.max(timeoutMs, MIN_SILENCE_MS) };
}

function answer({ pieces }: Command, reply: unknown): void {
  const [first] = pieces;
  if (first !== undefined && pieces.length === 1) {
    first.receiver.take(reply, first.index);
    return;
  }
  const replies = Array.isArray(reply) ? (reply as unknown[]) : [];
  for (const [i, { receiver, index }] of pieces.entries()) receiver.take(replies[i], index);
}

function refuse({ piece, receiver, index }: QueuedPiece, error: unknown): void {
  receiver.fail(unavailable(error, piece.lockName), index);
}

function refuseUnsent({ piece, receiver, index }: QueuedPiece, error: unknown): void {
  receiver.fail(neverSent(error, piece.lockName), index);
}

/** A request whose caller has gone while it waited for a connection is not sent at all. */
function isWanted(queued: QueuedPiece): boolean {
  const { call } = queued.piece;
  if (call === null || !call.signal.aborted) return true;
  refuseUnsent(queued, new Error('closed before it was sent'));
  return false;
}

function streamsOf(client: DriverClient): readonly { cork?(): void; uncork?(): void }[] {
  const nodes = client.isCluster ? (client.nodes?.('master') ?? []) : [client];
  return nodes.flatMap(({ stream }) => (stream === undefined || stream === null ? [] : [stream]));
}
