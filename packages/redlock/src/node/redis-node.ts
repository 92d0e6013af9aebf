import type { HoldRequest, LockKind } from '@holdfast/core';
import { type ClientSource, WakeChannel, within } from '@holdfast/redis/connection';
import {
  type ConfirmRequest,
  type Extension,
  type ExtendRequest,
  type MarkCommand,
  type MarkReply,
  NodeFailure,
  type NodeState,
  type NodeStatus,
  type RedlockNode,
  type ReleaseRequest,
  type Unit,
  type Vote,
  type VoteRequest,
  type WaitKey,
  type WakeTarget,
} from '../protocol/node.js';
import { type Script, scripts } from '../scripts.generated.js';
import { type KeyLayout, letterOf, letterOfKind } from './key-layout.js';
import { failureOf, NodeSender } from './node-sender.js';
import { readAbstention, readFlag, readNodeState, readVote } from './replies.js';

/** A label is for people; a longer one is cut. */
const MAX_LABEL_LENGTH = 1024;
const SCAN_COUNT = '1000';

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
  readonly #sender: NodeSender;
  readonly #channel: WakeChannel;

  constructor(label: string, source: ClientSource, settings: NodeSettings, target: WakeTarget) {
    this.label = label;
    this.#source = source;
    this.#layout = settings.layout;
    const header = `${settings.maxTtlMs} ${settings.quarantineMs} ${settings.hintBoundMicros} ${settings.id}`;
    this.#sender = new NodeSender(source, settings.layout.markerKey, header, settings.silentAfterMs);
    this.#channel = new WakeChannel(source, settings.id, {
      onWake: (holdKey) => target.onWake(holdKey),
      onOpen: () => target.onWake(null),
    });
  }

  acquire(requests: readonly VoteRequest[], timeoutMs: number): Promise<readonly Vote[]> {
    return this.#all(requests, async ({ unit, ttlMs, hint, waits, limit }) => {
      const mode = letterOf[unit.mode];
      const slots = mode === 'p' ? `${unit.slots.join(',')} ${limit} ` : '';
      const text = `${mode} ${unit.owner} ${ttlMs} ${Math.max(0, Math.floor(hint))} ${waits ? 1 : 0} ${slots}${shorten(unit.label)}`;
      return readVote(await this.#sender.send(scripts.acquire, this.#layout.keysOf(unit.name, mode), text, timeoutMs));
    });
  }

  confirm(requests: readonly ConfirmRequest[], timeoutMs: number): Promise<readonly boolean[]> {
    return this.#all(requests, async ({ unit, counter, token }) => {
      const text = `${letterOf[unit.mode]} ${unit.owner} ${counter} ${token}`;
      return readFlag(await this.#sender.send(scripts.confirm, this.#keysOf(unit), text, timeoutMs));
    });
  }

  extend(requests: readonly ExtendRequest[], timeoutMs: number): Promise<readonly Extension[]> {
    return this.#all(requests, async ({ unit, counter, token, ttlMs, repair }) => {
      const slots = unit.slots.length === 0 ? '-' : unit.slots.join(',');
      const mode = letterOf[unit.mode];
      const text = `${mode} ${unit.owner} ${counter} ${token} ${ttlMs} ${repair ? 1 : 0} ${slots} ${shorten(unit.label)}`;
      const reply = String(await this.#sender.send(scripts.extend, this.#keysOf(unit), text, timeoutMs));
      if (reply === '1') return 'stands';
      if (reply === '0') return null;
      if (!/^c\d+$/.test(reply)) throw new NodeFailure('it gave an answer that is none', { mayHappen: true, retryable: true });
      return { counter: Number(reply.slice(1)) };
    });
  }

  release(requests: readonly ReleaseRequest[], timeoutMs: number): Promise<readonly boolean[]> {
    return this.#all(requests, async ({ name, mode, owner, quiet }) => {
      const keys = this.#layout.keysOf(name, letterOf[mode]);
      return readFlag(await this.#sender.send(scripts.release, keys, `${letterOf[mode]} ${owner} ${quiet ? 1 : 0}`, timeoutMs));
    });
  }

  async withdraw({ name, mode, permits, limit }: WaitKey, timeoutMs: number): Promise<void> {
    const keys = this.#layout.keysOf(name, letterOf[mode]);
    await this.#sender.send(scripts.withdraw, keys, `${letterOf[mode]} ${permits} ${limit}`, timeoutMs);
  }

  async mark(name: string, command: MarkCommand, timeoutMs: number): Promise<MarkReply> {
    const { what } = command;
    const words = [what, ...('token' in command ? [command.token] : []), ...('ms' in command ? [String(command.ms)] : [])];
    const reply = String(await this.#sender.send(scripts.mark, [this.#layout.markKey(name)], words.join(' '), timeoutMs));
    const abstained = readAbstention(reply);
    if (abstained !== null) return abstained;
    if (what === 'set' || what === 'read') return { kind: 'mark', setter: reply === '-' ? null : reply };
    return { kind: 'done', isOwn: readFlag(reply) };
  }

  async inspect(name: string, kind: LockKind, timeoutMs: number): Promise<NodeState> {
    const mode = letterOfKind[kind];
    return readNodeState(await this.#whole(scripts.inspect, this.#layout.keysOf(name, mode), mode, timeoutMs));
  }

  async forceRelease(name: string, kind: LockKind, timeoutMs: number): Promise<boolean> {
    const mode = letterOfKind[kind];
    return readFlag(await this.#sender.send(scripts.forceRelease, this.#layout.keysOf(name, mode), mode, timeoutMs));
  }

  async status(command: 'look' | 'open' | 'close', timeoutMs: number): Promise<NodeStatus & { readonly done: boolean }> {
    const reply = await this.#whole(scripts.node, [], command, timeoutMs);
    const [runId, known, maxTtl, quarantine, micros, done] = Array.isArray(reply) ? (reply as readonly (string | number)[]) : [];
    if (typeof runId !== 'string' || micros === undefined) {
      throw new NodeFailure('it gave an answer that is none', { mayHappen: false, retryable: true });
    }
    const marker = known === '' || known === undefined ? null : { runId: String(known), maxTtlMs: Number(maxTtl) };
    return { runId, marker, quarantineMs: Number(quarantine), clockMicros: Number(micros), done: Number(done) === 1 };
  }

  async *scan(prefix: string, timeoutMs: number): AsyncIterable<readonly { readonly name: string; readonly kind: LockKind }[]> {
    const own = this.#source.keyPrefix;
    try {
      const client = await this.#source.link.open(timeoutMs);
      for (const pattern of this.#layout.patterns(prefix)) {
        let cursor = '0';
        do {
          const scanned = client.call('SCAN', cursor, 'MATCH', escapePrefix(own) + pattern, 'COUNT', SCAN_COUNT);
          const [next, keys] = (await within(timeoutMs, scanned)) as [string, string[]];
          cursor = String(next);
          const found = keys.flatMap((key) => this.#layout.parse(key.slice(own.length)) ?? []);
          const fitting = found.filter(({ name }) => name.startsWith(prefix));
          if (fitting.length > 0) yield fitting;
        } while (cursor !== '0');
      }
    } catch (error) {
      throw failureOf(error, false);
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

  #keysOf({ name, mode }: Unit): readonly string[] {
    return this.#layout.keysOf(name, letterOf[mode]);
  }

  async #all<Q, A>(requests: readonly Q[], ask: (request: Q) => Promise<A>): Promise<readonly A[]> {
    const [only] = requests;
    if (requests.length === 1 && only !== undefined) {
      try {
        return [await ask(only)];
      } catch (error) {
        throw failureOf(error, true);
      }
    }
    const outcomes = await Promise.allSettled(requests.map(ask));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failureOf(failed.reason, true);
    return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  }

  /** For a script whose list is one answer. */
  #whole(script: Script, keys: readonly string[], argument: string, timeoutMs: number): Promise<unknown> {
    return this.#sender.send(script, keys, argument, timeoutMs, true);
  }
}

function shorten(label: string): string {
  return label.length <= MAX_LABEL_LENGTH ? label : label.slice(0, MAX_LABEL_LENGTH).toWellFormed();
}

function escapePrefix(text: string): string {
  return text.replace(/[\\*?[\]^]/g, '\\$&');
}
