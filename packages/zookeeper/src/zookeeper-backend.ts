import type {
  Answer,
  CallContext,
  Capabilities,
  Clock,
  DifferentLimit,
  Finding,
  HoldRef,
  HoldRequest,
  LockBackend,
  LockKind,
  LockState,
  LostReason,
} from '@holdfast/core';
import { allOrWorst, kindOf, within } from '@holdfast/core/backend';
import { CompletionMarkNodes } from './completion-marks.js';
import { examineServers } from './examine-servers.js';
import { Inspection } from './inspection.js';
import { directoryOf, pathBytes } from './node-names.js';
import { openDriver } from './open-driver.js';
import { ParentNodes } from './parent-nodes.js';
import { QueuePlace, type QueueSession } from './queue-place.js';
import { SessionPool } from './session-pool.js';
import type { HostAndPort } from './tamed-client.js';
import { closedError, endedError, unavailable } from './zookeeper-error.js';
import { type ResolvedZooKeeperOptions, resolveZooKeeperOptions, type ZooKeeperBackendOptions } from './zookeeper-options.js';
import { ZooKeeperSession } from './zookeeper-session.js';

/** How long closing waits for the server to remove what remains. */
const CLOSE_MS = 1000;

/**
 * Locks on a ZooKeeper ensemble. Makes no contact before the first call.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 *
 * @example
 * ```ts
 * import { createLockManager } from 'holdfast';
 * import { createZooKeeperBackend } from 'holdfast/zookeeper';
 *
 * const locks = createLockManager(createZooKeeperBackend({ connectionString: 'zk1:2181,zk2:2181,zk3:2181' }), { waitMs: 2_000 });
 * await locks.close();
 * ```
 */
export function createZooKeeperBackend(options: ZooKeeperBackendOptions): LockBackend<bigint> {
  return new ZooKeeperBackend(resolveZooKeeperOptions('createZooKeeperBackend', options));
}

class ZooKeeperBackend implements LockBackend<bigint> {
  readonly contract = 1;
  readonly name = 'zookeeper';
  readonly tellsQueued = true;
  readonly capabilities: Capabilities = Object.freeze({
    fencing: true,
    semaphores: true,
    reportsLimits: true,
    readWriteLocks: true,
    fair: true,
    push: true,
    marks: true,
    list: true,
    expiry: 'session',
  });
  readonly marks: CompletionMarkNodes;
  readonly #sessions: SessionPool;
  readonly #parents: ParentNodes;
  readonly #inspection: Inspection;
  /** By owner: every request of ours that may still have a node. */
  readonly #places = new Map<string, QueuePlace>();
  readonly #clock: Clock;
  readonly #servers: readonly HostAndPort[];
  #onLost: (hold: HoldRef, reason: LostReason) => void = () => {};
  #tellLimit: (seen: DifferentLimit) => void = () => {};
  #isClosed = false;

  constructor({ root, ...settings }: ResolvedZooKeeperOptions) {
    const above = root.split('/').flatMap((_, index, parts) => (index === 0 ? [] : [parts.slice(0, index + 1).join('/')]));
    const names = [...Object.values(directoryOf), 'marks', 'mark-ends', 'sessions'];
    const directories = [...above, ...names.map((directory) => `${root}/${directory}`)];
    this.#servers = settings.servers;
    this.#clock = settings.clock;
    this.#sessions = new SessionPool(
      (listener) => new ZooKeeperSession({ ...settings, openDriver, directories }, listener),
      settings.clock,
    );
    const { first } = this.#sessions;
    this.#parents = new ParentNodes(first, settings.clock);
    this.#inspection = new Inspection(first, this.#parents, root, settings.clock);
    this.marks = new CompletionMarkNodes(first, root, settings.clock, (work) => this.#run(work));
  }

  get sessionMs(): number {
    return this.#sessions.believedMs;
  }

  onLost(listener: (hold: HoldRef, reason: LostReason) => void): void {
    this.#onLost = listener;
  }

  onLimitDiffers(listener: (seen: DifferentLimit) => void): void {
    this.#tellLimit = listener;
  }

  attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<bigint>[]> {
    return this.#run(async () => {
      const ask = async (request: HoldRequest): Promise<Answer<bigint>> => await this.#placeOf(request).attempt(call);
      const answers = await allOrWorst(requests.map(ask), unavailable);
      // One may have ended while others were asked for: its loss was reported when nobody knew of the hold.
      const isOver = ({ owner }: HoldRequest, index: number): boolean =>
        answers[index]?.granted === true && this.#places.get(owner)?.isHeld !== true;
      const over = requests.find(isOver);
      if (over !== undefined) throw endedError(over.name);
      return answers;
    });
  }

  async wait(request: HoldRequest, call: CallContext): Promise<Extract<Answer<bigint>, { granted: true }>> {
    if (this.#isClosed) throw closedError();
    // What it rejects with is ours already, or the caller's own reason.
    return await this.#placeOf(request).wait(call);
  }

  renew(holds: readonly (HoldRef & { readonly ttlMs: number })[], call: CallContext): Promise<readonly (boolean | null)[]> {
    return this.#run(async () => {
      const places = holds.map(({ owner }) => this.#places.get(owner));
      const known = places.filter((place) => place !== undefined);
      /** Of a session or of a single place: why there is no answer. */
      const failures = new Map<object, unknown>();
      const ask = async (whom: object, session: QueueSession, question: () => Promise<unknown>): Promise<void> => {
        try {
          await session.ready(call.timeoutMs);
          await question();
        } catch (error) {
          failures.set(whom, error);
        }
      };
      // Whatever removed a node before that write is reported before its answer, or by the look at a node that is not watched.
      await Promise.all([
        ...[...new Set(known.map(({ session }) => session))].map((session) => ask(session, session, () => session.beat())),
        ...known.filter(({ isWatched }) => !isWatched).map((place) => ask(place, place.session, () => place.verify())),
      ]);
      const isUnanswered = (place: QueuePlace): boolean => failures.has(place) || failures.has(place.session);
      if (known.length > 0 && known.every(isUnanswered)) throw [...failures.values()][0];
      return places.map((place) => (place !== undefined && isUnanswered(place) ? null : (place?.isHeld ?? false)));
    });
  }

  release(holds: readonly HoldRef[], _call: CallContext): Promise<readonly boolean[]> {
    return this.#run(() =>
      allOrWorst(
        holds.map(async ({ owner }) => (await this.#places.get(owner)?.leave()) ?? false),
        unavailable,
      ),
    );
  }

  inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    return this.#run(async () => {
      await this.#ready(call);
      return this.#inspection.inspect(name, kind);
    });
  }

  forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean> {
    return this.#run(async () => {
      await this.#ready(call);
      return this.#inspection.forceRelease(name, kind);
    });
  }

  async *list(prefix: string, call: CallContext): AsyncIterable<LockState> {
    await this.#run(() => this.#ready(call));
    try {
      yield* this.#inspection.list(prefix);
    } catch (error) {
      throw unavailable(error);
    }
  }

  checkHealth(call: CallContext): Promise<void> {
    return this.#run(async () => {
      await Promise.all(
        this.#sessions.sessions.map(async (session) => {
          await session.ready(call.timeoutMs);
          await session.beat();
        }),
      );
    });
  }

  examine(call: CallContext): Promise<readonly Finding[]> {
    return examineServers(this.#servers, call.timeoutMs);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.marks.close();
    const places = [...this.#places.values()];
    for (const place of places) place.end(() => closedError(true));
    const reachable = places.filter(({ session }) => session.state === 'connected');
    await this.#tryToFinish(Promise.allSettled(reachable.map((place) => place.leave())));
    if (this.#sessions.first.state === 'connected') await this.#tryToFinish(this.#parents.flush());
    this.#parents.close();
    await this.#sessions.close();
  }

  #placeOf(request: HoldRequest): QueuePlace {
    const known = this.#places.get(request.owner);
    if (known !== undefined) return known;
    const parent = this.#inspection.pathOf(request.name, kindOf(request.mode));
    const place = this.#sessions.seat(pathBytes(parent, request), (session) => {
      const parts = {
        session,
        parents: this.#parents,
        clock: this.#clock,
        onLost: ({ name, owner, mode }: HoldRequest, reason: LostReason) => this.#onLost({ name, owner, mode }, reason),
        onLimitDiffers: ({ name, ...asked }: HoldRequest, holdersLimit: number) => {
          if (asked.mode === 'permits') this.#tellLimit({ name, limit: asked.limit, holdersLimit });
        },
        onGone: (gone: QueuePlace) => {
          this.#places.delete(request.owner);
          this.#sessions.leave(gone);
        },
      };
      return new QueuePlace(parts, parent, request);
    });
    this.#places.set(request.owner, place);
    return place;
  }

  /** The first session can be asked, and has seen what the others did. */
  async #ready({ timeoutMs }: CallContext): Promise<void> {
    const { first, sessions } = this.#sessions;
    await first.ready(timeoutMs);
    if (sessions.length > 1) await first.beat();
  }

  /** Waits for the work, but not for longer than closing may take. */
  async #tryToFinish(work: Promise<unknown>): Promise<void> {
    await within(this.#clock, CLOSE_MS, work).catch(() => {});
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closedError();
    try {
      return await work();
    } catch (error) {
      throw unavailable(error);
    }
  }
}
