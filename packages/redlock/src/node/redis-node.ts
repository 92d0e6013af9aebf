import type { Clock, HoldRequest, LockKind } from '@holdfast/core';
import { BatchSender, ConnectionFault, inParts, type Piece, type Read } from '@holdfast/core/backend';
import {
  type ClientSource,
  escapeGlob,
  letterOf,
  letterOfKind,
  type RedisStep,
  scanKeys,
  verdictOf,
  WakeChannel,
} from '@holdfast/redis/connection';
import type {
  ConfirmRequest,
  Extension,
  ExtendRequest,
  MarkCommand,
  MarkReply,
  NodeState,
  NodeStatus,
  RedlockNode,
  Release,
  ReleaseRequest,
  Unit,
  Vote,
  VoteRequest,
  WaiterNote,
  WaitKey,
  WakeTarget,
} from '../protocol/node.js';
import type { KeyLayout } from './key-layout.js';
import { nodeFailureRules } from './node-failure.js';
import { steps } from './node-step.js';
import { readExtension, readFlag, readMark, readNames, readNodeState, readStatus, readVote } from './replies.js';

/** So many names are handed out at a time: every node is asked for each, and a renewal that is due meanwhile stands behind them. */
const AT_A_TIME = 50;
/** After so long without an answer a connection of ours is given up. Longer than a node is waited for: its late votes can still be freed. */
const GIVE_UP_MS = 2000;

/** What is the same for all nodes of one deployment. */
export interface NodeSettings {
  readonly layout: KeyLayout;
  readonly maxTtlMs: number;
  readonly quarantineMs: number;
  readonly hintBoundMicros: number;
  /** Names this client among those who wait, and its channel: lower-case hex. */
  readonly id: string;
  readonly silentAfterMs: number;
}

/** A node that is a Redis server. What each script is asked, and how its answer reads. */
export class RedisNode implements RedlockNode {
  readonly label: string;
  readonly #source: ClientSource;
  readonly #layout: KeyLayout;
  readonly #sender: BatchSender<RedisStep>;
  readonly #channel: WakeChannel;
  readonly #clock: Clock;

  constructor(label: string, source: ClientSource, settings: NodeSettings, clock: Clock, target: WakeTarget) {
    this.label = label;
    this.#source = source;
    this.#layout = settings.layout;
    this.#clock = clock;
    const argument = `${settings.maxTtlMs} ${settings.quarantineMs} ${settings.hintBoundMicros} ${settings.id}`;
    this.#sender = new BatchSender<RedisStep>({
      clock,
      link: source.link,
      failures: nodeFailureRules,
      head: { keys: [settings.layout.markerKey], argument },
      byRoute: false,
      leastSilenceMs: GIVE_UP_MS,
      // What cannot be answered need not be waited for, and a hung server does not collect requests that it would carry out all at once.
      refuseAfterMs: settings.silentAfterMs,
      verdictOf,
    });
    this.#channel = new WakeChannel(source, settings.id, clock, {
      onMessage: (text) => {
        // What is not ours, or garbled, is ignored.
        const [, holdKey] = /^\|([^]+)$/.exec(text) ?? [];
        if (holdKey !== undefined) target.onWake(holdKey);
      },
      onOpen: () => target.onWake(null),
    });
  }

  get driver(): string | null {
    return this.#source.driver;
  }

  acquire(requests: readonly VoteRequest[], timeoutMs: number): Promise<readonly Vote[]> {
    const pieces = requests.map(({ unit, ttlMs, hint, waits, limit }) => {
      const mode = letterOf[unit.mode];
      const slots = mode === 'p' ? `${unit.slots.join(',')} ${limit} ` : '';
      const text = `${mode} ${unit.owner} ${ttlMs} ${Math.max(0, Math.floor(hint))} ${waits ? 1 : 0} ${slots}${unit.label}`;
      return this.#piece(steps.acquire, unit, text, timeoutMs);
    });
    return this.#sender.sendAll(pieces, readCertainVote);
  }

  confirm(requests: readonly ConfirmRequest[], timeoutMs: number): Promise<readonly boolean[]> {
    const pieces = requests.map(({ unit, counter, token }) =>
      this.#piece(steps.confirm, unit, `${letterOf[unit.mode]} ${unit.owner} ${counter} ${token}`, timeoutMs),
    );
    return this.#sender.sendAll(pieces, readFlag);
  }

  extend(requests: readonly ExtendRequest[], timeoutMs: number): Promise<readonly Extension[]> {
    const pieces = requests.map(({ unit, counter, token, ttlMs, restMs, repair }) => {
      const slots = unit.slots.length === 0 ? '-' : unit.slots.join(',');
      const mode = letterOf[unit.mode];
      const text = `${mode} ${unit.owner} ${counter} ${token} ${ttlMs} ${restMs} ${repair ? 1 : 0} ${slots} ${unit.label}`;
      return this.#piece(steps.extend, unit, text, timeoutMs);
    });
    return this.#sender.sendAll(pieces, readExtension);
  }

  release(requests: readonly ReleaseRequest[], timeoutMs: number): Promise<readonly Release[]> {
    const pieces = requests.map((request) =>
      this.#piece(steps.release, request, `${letterOf[request.mode]} ${request.owner} ${request.quiet ? 1 : 0}`, timeoutMs),
    );
    return this.#sender.sendAll(pieces, readRelease);
  }

  async withdraw(waiting: WaitKey, timeoutMs: number): Promise<void> {
    const { mode, permits, limit } = waiting;
    await this.#sender.send(this.#piece(steps.withdraw, waiting, `${letterOf[mode]} ${permits} ${limit}`, timeoutMs), readFlag);
  }

  async noteWaiters(notes: readonly WaiterNote[], timeoutMs: number): Promise<void> {
    const pieces = notes.map(({ name, kind, waiters, oldestWaitMs, validMs }) => ({
      ...this.#bare(steps.noteWaiters, `${waiters} ${Math.max(0, Math.round(oldestWaitMs))} ${validMs}`, timeoutMs),
      keys: [this.#layout.linesKey(name, kind)],
      lockName: name,
    }));
    await this.#sender.sendAll(pieces, readFlag);
  }

  mark(name: string, command: MarkCommand, timeoutMs: number): Promise<MarkReply> {
    const { what } = command;
    const words = [what, ...('token' in command ? [command.token] : []), ...('ms' in command ? [String(command.ms)] : [])];
    const text = 'label' in command ? `${words.join(' ')} ${command.label}` : words.join(' ');
    const step = what === 'set' || what === 'delete' ? steps.setMark : steps.mark;
    const piece = {
      ...this.#bare(step, text, timeoutMs),
      keys: this.#layout.markKeys,
      args: [this.#layout.lockKey(name), text],
      lockName: name,
    };
    return this.#sender.send(piece, what === 'set' || what === 'read' ? readMark : (reply) => ({ kind: 'done', isOwn: readFlag(reply) }));
  }

  async markNames(prefix: string, timeoutMs: number): Promise<readonly string[]> {
    const { prefix: own, markKeys } = this.#layout;
    const names: string[] = [];
    let cursor = '0';
    do {
      const piece = { ...this.#bare(steps.listMarks, cursor, timeoutMs), keys: [markKeys[0]] };
      // oxlint-disable-next-line no-await-in-loop
      const page = await this.#sender.send(piece, readNames);
      cursor = page.cursor;
      for (const key of page.fields) if (key.length > own.length && key.startsWith(own + prefix)) names.push(key.slice(own.length));
    } while (cursor !== '0');
    return names;
  }

  inspect(name: string, kind: LockKind, timeoutMs: number): Promise<NodeState> {
    const piece = this.#kindPiece(steps.inspect, name, kind, timeoutMs);
    return this.#sender.send({ ...piece, keys: [...piece.keys, this.#layout.linesKey(name, kind)] }, readNodeState);
  }

  forceRelease(name: string, kind: LockKind, timeoutMs: number): Promise<boolean> {
    return this.#sender.send(this.#kindPiece(steps.forceRelease, name, kind, timeoutMs), readFlag);
  }

  status(command: 'look' | 'greet' | 'open' | 'close', timeoutMs: number): Promise<NodeStatus & { readonly done: boolean }> {
    const keys = command === 'look' ? this.#layout.fenceKeys : [];
    return this.#sender.send({ ...this.#bare(steps.node, command, timeoutMs), keys }, readStatus);
  }

  async *scan(prefix: string, timeoutMs: number): AsyncIterable<readonly { readonly name: string; readonly kind: LockKind }[]> {
    const own = this.#source.keyPrefix;
    try {
      const { port } = (await this.#source.link.open(timeoutMs)).connection;
      for (const pattern of this.#layout.patterns(prefix)) {
        for await (const keys of scanKeys(port, escapeGlob(own) + pattern, this.#clock, timeoutMs)) {
          const found = keys.flatMap((key) => this.#layout.parse(key.slice(own.length)) ?? []);
          const fitting = found.filter(({ name }) => name.startsWith(prefix));
          yield* inParts(fitting, AT_A_TIME);
        }
      }
    } catch (error) {
      throw nodeFailureRules.failureOf(error, null, false);
    }
  }

  wakeKey(name: string, mode: HoldRequest['mode']): string {
    return this.#source.keyPrefix + this.#layout.keysOf(name, letterOf[mode])[0];
  }

  listen(): void {
    this.#channel.use();
  }

  unlisten(): void {
    this.#channel.unuse();
  }

  drain(timeoutMs: number): Promise<void> {
    return this.#sender.drain(timeoutMs);
  }

  close(): void {
    this.#channel.close();
    this.#sender.close();
    this.#source.link.close();
  }

  #bare(step: RedisStep, argument: string, timeoutMs: number): Piece<RedisStep> {
    return { step, route: 0, keys: [], args: [argument], lockName: null, owner: '', timeoutMs, call: null };
  }

  /** What is asked about one name, for an owner if there is one. */
  #piece(
    step: RedisStep,
    { name, mode, owner = '' }: Pick<Unit, 'name' | 'mode'> & { readonly owner?: string },
    argument: string,
    timeoutMs: number,
  ): Piece<RedisStep> {
    return { ...this.#bare(step, argument, timeoutMs), keys: this.#layout.keysOf(name, letterOf[mode]), lockName: name, owner };
  }

  #kindPiece(step: RedisStep, name: string, kind: LockKind, timeoutMs: number): Piece<RedisStep> {
    const mode = letterOfKind[kind];
    return { ...this.#bare(step, mode, timeoutMs), keys: this.#layout.keysOf(name, mode), lockName: name };
  }
}

/** A refusal says nothing while a second copy of the request may be on its way. */
const readCertainVote: Read<RedisStep, Vote> = (reply, _piece, isFinal) => {
  const vote = readVote(reply);
  if (vote.kind !== 'granted' && !isFinal) throw new ConnectionFault('closed');
  return vote;
};

const readRelease: Read<RedisStep, Release> = (reply, _piece, isFinal) => ({ wasFreed: readFlag(reply), isFinal });
