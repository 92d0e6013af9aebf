import {
  type Extension,
  type MarkReply,
  NodeFailure,
  type NodeHolder,
  type NodeState,
  type NodeStatus,
  type Vote,
} from '../protocol/node.js';
import { modeOf } from './key-layout.js';

/** One text of acquire.lua. @throws NodeFailure when it is no vote */
export function readVote(reply: unknown): Vote {
  const text = String(reply);
  const abstained = readAbstention(text);
  if (abstained !== null) return abstained;
  const granted = /^g(\d+)(?: ([\d,]*)(?: (\d+))?)?$/.exec(text);
  if (granted !== null) return { kind: 'granted', counter: Number(granted[1]), taken: readSlots(granted[2]), ...readLimit(granted[3]) };
  const refused = /^b(-?\d+) (\*|[\da-f]{8})(?: ([\d,]*)(?: (\d+))?)?$/.exec(text);
  if (refused !== null) {
    const ms = Number(refused[1]);
    return {
      kind: 'refused',
      remainingMs: ms < 0 ? null : ms,
      holder: refused[2] === '*' ? null : (refused[2] ?? null),
      taken: readSlots(refused[3]),
      ...readLimit(refused[4]),
    };
  }
  // In words of its own only: what it holds of this name it cannot count on.
  if (text.startsWith('f')) return { kind: 'abstained', forMs: null };
  if (text.startsWith('w')) throw final('the key of this lock holds a list, hash or the like, which no lock does; choose another prefix');
  if (text.startsWith('t')) throw final('it was asked for a longer ttl than its maxTtlMs allows');
  throw noAnswer(true);
}

/** `q<ms>` or `m<ms>`; null for anything else. @throws NodeFailure for `m` */
function readAbstention(text: string): Extract<Vote, { kind: 'abstained' }> | null {
  const [, why, ms] = /^([qm])(\d+)$/.exec(text) ?? [];
  if (why === 'm') throw final(`it was set up with maxTtlMs ${ms}; all clients must have the same`);
  return why === 'q' ? { kind: 'abstained', forMs: Number(ms) } : null;
}

/** One text of extend.lua. @throws NodeFailure when it is none */
export function readExtension(reply: unknown): Extension {
  const text = String(reply);
  if (text === '1') return 'stands';
  if (text === '0') return null;
  if (!/^c\d+$/.test(text)) throw noAnswer(true);
  return { counter: Number(text.slice(1)) };
}

/** The reply of node.lua. @throws NodeFailure when it is none */
export function readStatus(reply: unknown): NodeStatus & { readonly done: boolean } {
  const [runId, known, maxTtl, quarantine, micros, done, broken] = Array.isArray(reply) ? (reply as readonly (string | number)[]) : [];
  if (typeof runId !== 'string' || micros === undefined) throw noAnswer(false);
  const marker = known === '' || known === undefined ? null : { runId: String(known), maxTtlMs: Number(maxTtl) };
  return {
    runId,
    marker,
    quarantineMs: Number(quarantine),
    clockMicros: Number(micros),
    brokenFences: Number(broken ?? 0),
    done: Number(done) === 1,
  };
}

/** The reply of inspect.lua. @throws NodeFailure */
export function readNodeState(reply: unknown): NodeState {
  const [waiters, oldest, ...fields] = Array.isArray(reply) ? (reply as readonly (string | number)[]) : [-2];
  if (Number(waiters) === -1) throw final('the key of this lock holds a list, hash or the like, which no lock does; choose another prefix');
  if (Number(waiters) < 0) throw noAnswer(false);
  const holders: NodeHolder[] = [];
  for (let i = 0; i + 6 < fields.length; i += 7) {
    const [mode, id, counter, permits, label, ms, held] = fields.slice(i, i + 7);
    holders.push({
      mode: modeOf[String(mode)] ?? 'exclusive',
      id: String(id),
      counter: Number(counter),
      permits: Number(permits),
      label: String(label),
      remainingMs: Number(ms) < 0 ? null : Number(ms),
      heldMs: Number(held) < 0 ? null : Number(held),
    });
  }
  return { waiters: Number(waiters), oldestWaitMs: Number(oldest) < 0 ? null : Number(oldest), holders };
}

/** One text of set-mark.lua or mark.lua. @throws NodeFailure when it is none */
export function readMark(reply: unknown): MarkReply {
  const text = String(reply);
  const abstained = readAbstention(text);
  if (abstained !== null) return abstained;
  if (text === '-') return { kind: 'mark', mark: null };
  const [, setter, age, left, label] = /^([\da-f]{16}) (\d+) (\d+) (.*)$/s.exec(text) ?? [];
  if (setter === undefined) throw noAnswer(true);
  return { kind: 'mark', mark: { setter, ageMs: Number(age), remainingMs: Number(left), label: label ?? '' } };
}

/** One page of list-marks.lua. @throws NodeFailure */
export function readNames(reply: unknown): { readonly cursor: string; readonly fields: readonly string[] } {
  const [cursor, ...fields] = Array.isArray(reply) ? (reply as readonly (string | number)[]).map(String) : [];
  if (cursor === undefined || !/^\d+$/.test(cursor)) throw noAnswer(false);
  return { cursor, fields };
}

/** 1 or 0. @throws NodeFailure */
export function readFlag(reply: unknown): boolean {
  const value = Number(reply);
  if (value === -1) throw final('the key of this lock holds a list, hash or the like, which no lock does; choose another prefix');
  if (value !== 0 && value !== 1) throw noAnswer(true);
  return value === 1;
}

function noAnswer(mayHappen: boolean): NodeFailure {
  return new NodeFailure('it gave an answer that is none', { mayHappen, retryable: true });
}

function final(reason: string): NodeFailure {
  return new NodeFailure(reason, { mayHappen: false, retryable: false });
}

function readLimit(text: string | undefined): { readonly otherLimit?: number } {
  return text === undefined ? {} : { otherLimit: Number(text) };
}

function readSlots(text: string | undefined): readonly number[] {
  return text === undefined || text === '' ? [] : text.split(',').map(Number);
}
