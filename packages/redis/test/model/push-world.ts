import type { PushSetting } from './push-rules.js';
import { type Asker, PushServer } from './push-server.js';

/** A wait of a manager, the hold that comes of it, and what is known of it until nothing of it can take effect. */
export interface Wait extends Asker {
  phase: 'queued' | 'next' | 'waiting' | 'held' | 'doubtful' | 'ended';
  /** By its manager's clock: until when it may be believed in. */
  deadline: number;
  fence: number;
  score: number | null;
  /** Granting requests that have not been answered. */
  unanswered: number;
  /** When the last of its granting requests ends, as its manager remembers. */
  lastMoment: number;
  /** Its release ends it for certain only when carried out behind `lastMoment`. */
  mustOutlast: boolean;
  isReleasing: boolean;
  isForced: boolean;
  /** The stamp of its last request that was answered "busy". */
  refusedAt: number;
  wasHeard: boolean;
  /** Granted by the server that has failed since, which answers for it no more. */
  isExcused: boolean;
}

export interface Manager {
  slip: number;
  isDead: boolean;
  begun: number;
  readonly waits: Wait[];
  /** The signs that the server has answered: its time of each, and the stamp. */
  signs: { readonly server: number; readonly stamp: number }[];
  /** The server that has answered them. */
  node: number;
  lastSent: number;
  signsUnderWay: number;
  /** By its clock: when to ask because a provisional hold ends. */
  askAt: number;
}

export interface Message {
  readonly kind: 'enrol' | 'sign' | 'renew' | 'release' | 'push';
  readonly manager: number;
  readonly wait: Wait | null;
  readonly next: Wait | null;
  readonly stamp: number;
  readonly lastMoment: number;
  /** Set by the server; a push has its own from the beginning. */
  reply: Reply | null;
}

export interface Reply {
  readonly answer: 'granted' | 'busy' | 'late' | 'yes' | 'no' | 'unknown';
  readonly at: number;
  readonly node: number;
  readonly fence: number;
  /** A push: the sign that it names. */
  readonly seen: number;
  readonly score: number | null;
  /** How long until a provisional hold ends; null when none is in the way. */
  readonly leftMs: number | null;
  readonly granted: readonly number[];
  readonly nextIsGranted: boolean;
  readonly nextFence: number;
}

/** Everything there is: the server, the managers, what is on its way. */
export class PushWorld {
  readonly on: PushSetting;
  server: PushServer;
  /** Before the last write. */
  former: PushServer;
  node = 0;
  time = 0;
  offset = 0;
  slips = 0;
  forced = 0;
  deaths = 0;
  lostPushes = 0;
  idle = 0;
  longestIdle = 0;
  highestFence = 0;
  highestWriteFence = 0;
  asked = 0;
  readonly managers: Manager[];
  messages: Message[] = [];
  broken: string | null = null;

  constructor(on: PushSetting) {
    this.on = on;
    this.server = new PushServer(on);
    this.server.isUnheard = !on.rules.keepsUnheard;
    this.former = this.server.copy();
    this.managers = Array.from({ length: on.managers }, () => ({
      slip: 0,
      isDead: false,
      begun: 0,
      waits: [],
      signs: [],
      node: 0,
      lastSent: -100,
      signsUnderWay: 0,
      askAt: Number.POSITIVE_INFINITY,
    }));
  }

  get serverTime(): number {
    return this.time + this.offset;
  }

  localTime(manager: Manager): number {
    return this.time - manager.slip;
  }

  isPrompt(manager: number): boolean {
    const { prompt } = this.on;
    return prompt !== null && (prompt.who === 'all' || manager === 0) && this.managers[manager]?.isDead === false;
  }

  believes(wait: Wait): boolean {
    const manager = this.managers[wait.manager] as Manager;
    return wait.phase === 'held' && !manager.isDead && this.localTime(manager) < wait.deadline;
  }

  send(message: Omit<Message, 'reply' | 'stamp' | 'lastMoment'>): boolean {
    if (this.messages.length >= this.on.mostMessages) return false;
    const manager = this.managers[message.manager] as Manager;
    const stamp = this.localTime(manager);
    const lastMoment = this.serverTime + this.on.timeout;
    this.messages.push({ ...message, stamp, lastMoment, reply: null });
    for (const wait of [message.kind === 'enrol' ? message.wait : null, message.next]) {
      if (wait === null) continue;
      wait.unanswered++;
      wait.lastMoment = Math.max(wait.lastMoment, lastMoment);
    }
    if (message.kind === 'sign' || message.kind === 'enrol') {
      manager.lastSent = stamp;
      if (message.kind === 'sign') manager.signsUnderWay++;
      manager.askAt = Number.POSITIVE_INFINITY;
    }
    return true;
  }

  /** What must hold in every state. */
  check(): void {
    const { server, on } = this;
    const now = this.serverTime;
    const believers: Wait[] = [];
    for (const { waits } of this.managers) {
      for (const wait of waits) {
        const held = server.holdOf(wait.id);
        const stands = held !== undefined && held.expiry > now;
        if (this.believes(wait) && !wait.isForced && !wait.isExcused) {
          believers.push(wait);
          if (!stands || held.fence !== wait.fence) this.broken ??= 'somebody believes in a hold that the server does not keep';
        }
        if (wait.phase !== 'ended' || wait.isExcused) continue;
        if (stands) this.broken ??= 'something stands of a wait whose end is certain';
        if (server.queue.some(({ asker }) => asker.id === wait.id)) this.broken ??= 'a wait whose end is certain stands in the queue';
      }
    }
    const alone = believers.filter(({ kind }) => kind === 'exclusive' || kind === 'write').length;
    const permits = believers.reduce((sum, wait) => sum + (wait.kind === 'permits' ? wait.permits : 0), 0);
    if ((alone > 0 && believers.length > 1) || permits > on.limit) this.broken ??= 'too many believe';
    for (const asker of [...server.holds, ...server.queue].map((entry) => entry.asker)) {
      const { phase, isExcused } = asker as Wait;
      const isDead = this.managers[asker.manager]?.isDead === true;
      if (phase === 'queued' && !isExcused && !isDead) this.broken ??= 'the server has something of a wait that nobody undoes';
    }
    this.broken ??= server.broken;
  }
}
