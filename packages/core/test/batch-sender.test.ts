import { BatchSender, ConnectionFault, type Piece, type Step, type Verdict } from '@holdfast/core/backend';
import { createManualClock } from '@holdfast/core/testing';
import { describe, expect, it } from 'vitest';
import { Failure, FakeLink, failureRules, free, grant, handOver, type Sent } from './fake-connection.js';

/** A time of the server's, far from the client's. */
const SERVER_MS = 1_700_000_000_000;

interface Options {
  readonly refuseAfterMs?: number;
  readonly verdictOf?: (error: unknown) => Verdict;
}

function createSender({ refuseAfterMs, verdictOf = () => ({ isAnswer: false, next: 'fail' }) }: Options = {}) {
  const clock = createManualClock();
  const link = new FakeLink();
  const sender = new BatchSender<Step>({
    clock,
    link,
    failures: failureRules,
    head: { keys: ['head'], argument: 'who' },
    byRoute: false,
    leastSilenceMs: 250,
    ...(refuseAfterMs === undefined ? {} : { refuseAfterMs }),
    verdictOf,
  });
  const piece = (step: Step, owner: string, timeoutMs = 1000): Piece<Step> => {
    return { step, route: 0, keys: [`key:${owner}`], args: [owner], lockName: owner, owner, timeoutMs, call: null };
  };
  const ask = (step: Step, owner: string, timeoutMs?: number): Promise<unknown> => {
    const asked = sender.send(piece(step, owner, timeoutMs), (reply, _piece, isFinal) => (step.frees ? { reply, isFinal } : reply));
    asked.catch(() => {});
    return asked;
  };
  return {
    clock,
    link,
    sender,
    piece,
    ask,
    /** The next command, once it has left. */
    async next(): Promise<Sent> {
      await clock.settle();
      return link.connection.take();
    },
    /** First contact, so that the server's time is known. */
    async meet(): Promise<void> {
      const met = ask(free, 'first');
      await clock.settle();
      link.connection.take().answer(1, SERVER_MS);
      await met;
    },
  };
}

const reasonOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error: unknown) => (error instanceof Failure ? error.reason : error),
  );

describe('requests of one tick', () => {
  it('share a command by step, in their order, with keys and arguments of all', async () => {
    const { meet, sender, piece, next } = createSender();
    await meet();
    const all = sender.sendAll([piece(grant, 'a'), piece(grant, 'b'), piece(free, 'c')], (reply) => reply);
    const granting = await next();
    expect(granting.keys).toEqual(['head', 'key:a', 'key:b']);
    expect([granting.args[0], ...granting.args.slice(3)]).toEqual(['who', 'a', 'b']);
    granting.answer('A', 'B', SERVER_MS);
    (await next()).answer('C', SERVER_MS);
    expect(await all).toEqual(['A', 'B', 'C']);
  });

  it.each([
    ['many callers', 32],
    ['one caller', 128],
  ])('leave as soon as there are enough for a command: the server works while the rest is put together (of %s: %i)', async (who, full) => {
    const { meet, sender, piece, link, next, ask } = createSender();
    await meet();
    const large = { ...grant, most: 500 };
    const owners = Array.from({ length: 2 * full + 6 }, (_, index) => `o${index}`);
    const all =
      who === 'many callers'
        ? Promise.all(owners.map((owner) => ask(large, owner)))
        : sender.sendAll(
            owners.map((owner) => piece(large, owner)),
            (reply) => reply,
          );
    // Before the turn ends.
    const early = [...(who === 'many callers' ? [link.connection.take()] : []), link.connection.take(), link.connection.take()];
    const sent = [...early, await next()];
    // The first of many callers has nobody to share a command with.
    expect(sent.map(({ args }) => args.length - 3)).toEqual(who === 'many callers' ? [1, full, full, 5] : [full, full, 6]);
    expect(sent.flatMap(({ args }) => args.slice(3))).toEqual(owners);
    for (const { args, answer } of sent) answer(...args.slice(3), SERVER_MS);
    expect(await all).toEqual(owners);
  });

  it('fail as failures of the backend where a reply cannot be read, each for itself', async () => {
    const { meet, sender, piece, next } = createSender();
    await meet();
    const read = (reply: unknown): unknown => {
      if (reply === 'B') throw new TypeError('no such reply');
      return reply;
    };
    const alone = sender.send(piece(grant, 'b'), read);
    (await next()).answer('B', SERVER_MS);
    await expect(alone).rejects.toBeInstanceOf(Failure);
    const both = sender.sendAll([piece(grant, 'a'), piece(grant, 'b')], read);
    (await next()).answer('A', 'B', SERVER_MS);
    await expect(both).rejects.toMatchObject({ reason: expect.any(TypeError) as unknown });
  });

  it('for the same key never change places', async () => {
    const { meet, sender, piece, next } = createSender();
    await meet();
    void sender.sendAll([piece(grant, 'a'), piece(free, 'a'), piece(grant, 'b'), piece(grant, 'a')], (reply) => reply).catch(() => {});
    const steps = [await next(), await next(), await next()].map(
      ({ step, args }) => `${step} ${args.slice(step === 'grant' ? 3 : 1).join()}`,
    );
    expect(steps).toEqual(['grant a,b', 'free a', 'grant a']);
  });
});

describe('a request that grants', () => {
  it("may take effect until its time is over by the server's clock, and a little longer as clocks differ", async () => {
    const { clock, meet, ask, next } = createSender();
    await meet();
    await clock.advance(500);
    void ask(grant, 'a', 1000);
    const { args } = await next();
    expect(Number(args[1])).toBe(Math.floor(SERVER_MS + 1500 * 1.021));
    expect(Number(args[2])).toBe(60_000 + 1021);
  });

  it('knows no moment before the server was heard, and is asked again by the time of the refusal', async () => {
    const { clock, ask, next } = createSender();
    const asked = ask(grant, 'a', 1000);
    const first = await next();
    expect(first.args[1]).toBe('0');
    await clock.advance(100);
    first.answer('late', SERVER_MS);
    const second = await next();
    expect(Number(second.args[1])).toBe(Math.floor(SERVER_MS + (100 + 900) * 1.021));
    second.answer('granted', SERVER_MS);
    expect(await asked).toBe('granted');
  });

  it('that is refused as late twice fails, and may stand in spite of it', async () => {
    const { ask, next } = createSender();
    const asked = ask(grant, 'a');
    (await next()).answer('late', SERVER_MS);
    (await next()).answer('late', SERVER_MS + 90_000);
    const failure = await asked.catch((error: unknown) => error);
    expect(failure).toMatchObject({ wasSent: true, reason: { kind: 'late' } });
  });

  it('is not asked again once its time is over', async () => {
    const { clock, link, ask, next } = createSender();
    const asked = ask(grant, 'a', 200);
    const first = await next();
    await clock.advance(210);
    first.answer('late', SERVER_MS);
    expect(await reasonOf(asked)).toMatchObject({ kind: 'late' });
    expect(link.connection.sent).toEqual([]);
  });

  it('may have been carried out as the copy that a driver has sent again, whatever the answer to the second one says', async () => {
    const { link, meet, sender, piece, next } = createSender();
    await meet();
    const asked = sender.send(piece(grant, 'a'), (_reply, _piece, isFinal, isSole) => ({ isFinal, isSole }));
    const command = await next();
    // The client reconnects and sends again what was not answered: a server whose clock is ahead refuses that.
    const lost = link.connection;
    lost.isOpen = false;
    await link.open(1000);
    command.answer('late', SERVER_MS + 90_000);
    (await next()).answer('busy', SERVER_MS + 90_000);
    expect(await asked).toEqual({ isFinal: false, isSole: false });
  });

  it('counts from no answer of an older connection, nor from one that took too long', async () => {
    const { clock, link, meet, ask, next } = createSender();
    await meet();
    link.connection.end();
    const slow = ask(free, 'x', 100);
    const late = await next();
    await clock.advance(150);
    late.answer(1, SERVER_MS + 50_000);
    await slow;
    void ask(grant, 'a');
    expect((await next()).args[1]).toBe('0');
  });

  it('counts from the newest of the answers that cross', async () => {
    const { clock, meet, ask, next } = createSender();
    await meet();
    void ask(free, 'x');
    const older = await next();
    await clock.advance(10);
    void ask(free, 'y');
    const newer = await next();
    newer.answer(1, SERVER_MS + 10);
    older.answer(1, SERVER_MS + 500);
    await clock.settle();
    void ask(grant, 'a', 1000);
    expect(Number((await next()).args[1])).toBe(Math.floor(SERVER_MS + 10 + 1000 * 1.021));
  });
});

describe('a release', () => {
  it('is final when all that was asked for its owner had been answered', async () => {
    const { meet, ask, next } = createSender();
    await meet();
    const asked = ask(grant, 'a');
    (await next()).answer('granted', SERVER_MS);
    await asked;
    const freed = ask(free, 'a');
    (await next()).answer(1, SERVER_MS);
    expect(await freed).toEqual({ reply: 1, isFinal: true });
  });

  it('is final behind a request on the same connection that is answered before it', async () => {
    const { meet, ask, next } = createSender();
    await meet();
    void ask(grant, 'a');
    const asked = await next();
    const freed = ask(free, 'a');
    const release = await next();
    asked.answer('granted', SERVER_MS);
    release.answer(1, SERVER_MS);
    expect(await freed).toMatchObject({ isFinal: true });
  });

  it('ends what was asked for its owner: nothing that is refused behind it is asked again', async () => {
    const { link, ask, next } = createSender();
    const asked = ask(grant, 'a');
    const command = await next();
    const freed = ask(free, 'a');
    const release = await next();
    command.answer('late', SERVER_MS);
    release.answer(0, SERVER_MS);
    expect(await reasonOf(asked)).toMatchObject({ kind: 'late' });
    expect(await freed).toMatchObject({ isFinal: true });
    expect(link.connection.sent).toEqual([]);
  });

  it('costs the others that were refused with the same command nothing', async () => {
    const { meet, sender, piece, ask, next } = createSender();
    await meet();
    const all = Promise.allSettled(['a', 'b'].map((owner) => sender.send(piece(grant, owner), (reply) => reply)));
    const both = [await next(), await next()];
    void ask(free, 'a');
    await next();
    for (const command of both) command.answer('late', SERVER_MS + 9000);
    const again = await next();
    expect(again.args.slice(3)).toEqual(['b']);
    again.answer('granted', SERVER_MS + 9000);
    expect((await all).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  });

  it('is final, after a request without an answer, only when carried out a margin behind its last moment', async () => {
    const { clock, link, meet, ask, next } = createSender();
    await meet();
    void ask(grant, 'a', 1000);
    await clock.settle();
    link.connection.end();
    const notAfter = Math.floor(SERVER_MS + 1021);
    for (const [at, isFinal] of [
      [notAfter, false],
      [notAfter + 1000, false],
      [notAfter + 1001, true],
    ] as const) {
      const freed = ask(free, 'a');
      (await next()).answer(0, at);
      expect(await freed).toMatchObject({ isFinal });
    }
    const again = ask(free, 'a');
    (await next()).answer(0, SERVER_MS);
    expect(await again).toMatchObject({ isFinal: true });
  });

  it('waits for the last moment of all requests of its owner', async () => {
    const { clock, link, meet, ask, next } = createSender();
    await meet();
    void ask(grant, 'a', 100);
    void ask(grant, 'a', 5000);
    await clock.settle();
    link.connection.end();
    const freed = ask(free, 'a');
    (await next()).answer(0, SERVER_MS + 2000);
    expect(await freed).toMatchObject({ isFinal: false });
  });

  it('is not final for what was answered after the client had lost its connection: there may be a second copy', async () => {
    const { link, meet, ask, next } = createSender();
    await meet();
    const asked = ask(grant, 'a');
    const command = await next();
    link.connection.isOpen = false;
    command.answer('granted', SERVER_MS);
    await asked;
    const freed = ask(free, 'a');
    (await next()).answer(1, SERVER_MS);
    expect(await freed).toMatchObject({ isFinal: false });
  });
});

describe('a request that frees one and grants to another', () => {
  function handingOver() {
    const made = createSender();
    const { sender, piece } = made;
    return {
      ...made,
      hand: (from: string, to: string): Promise<unknown> =>
        sender.send({ ...piece(handOver, to), keys: ['key:name'], freed: from }, (reply, _piece, isFinal) => ({ reply, isFinal })),
    };
  }

  it('is final when all that was asked for both had been answered', async () => {
    const { meet, ask, hand, next } = handingOver();
    await meet();
    void ask(grant, 'a');
    (await next()).answer('granted', SERVER_MS);
    const handed = hand('a', 'b');
    (await next()).answer('granted', SERVER_MS);
    expect(await handed).toEqual({ reply: 'granted', isFinal: true });
  });

  it('is not final while something that was asked for the one whom it frees has no answer', async () => {
    const { meet, ask, hand, next } = handingOver();
    await meet();
    const asked = ask(grant, 'a');
    const command = await next();
    const handed = hand('a', 'b');
    (await next()).answer('granted', SERVER_MS);
    expect(await handed).toMatchObject({ isFinal: false });
    command.answer('granted', SERVER_MS);
    await asked;
  });

  it('is not final while something that was asked for the one to whom it grants has no answer', async () => {
    const { meet, ask, hand, next } = handingOver();
    await meet();
    const asked = ask(grant, 'b');
    const command = await next();
    const handed = hand('a', 'b');
    (await next()).answer('busy', SERVER_MS);
    expect(await handed).toMatchObject({ isFinal: false });
    command.answer('granted', SERVER_MS);
    await asked;
  });

  it('may grant until its time is over where no answer came: a release of that one is final only behind it', async () => {
    const { clock, link, meet, ask, hand, next } = handingOver();
    await meet();
    const handed = hand('a', 'b');
    await clock.settle();
    link.connection.end();
    expect(await reasonOf(handed)).toMatchObject({ kind: 'closed' });
    for (const [at, isFinal] of [
      [SERVER_MS, false],
      [SERVER_MS + 3000, true],
    ] as const) {
      const freed = ask(free, 'b');
      (await next()).answer(0, at);
      expect(await freed).toMatchObject({ isFinal });
    }
  });
});

describe('a silent connection', () => {
  it('stays when the event loop stood still just as it was looked at, and the answer is there', async () => {
    const { meet, ask, clock, link } = createSender();
    await meet();
    // An answered command has set the time of the next look: what is sent a moment before that look stands still with it.
    clock.setTimer(1000 - clock.now(), () => {
      void ask(free, 'a');
      clock.block(1500);
      const arrived = link.connection.take();
      clock.setTimer(-1, () => arrived.answer(1, SERVER_MS + 1000));
    });
    await clock.advance(3000);
    expect(link.connection.givenUp).toBe(0);
  });

  it('is given up once, however many commands wait on it, and no other', async () => {
    const { clock, link, meet, ask } = createSender();
    await meet();
    const silent = link.connection;
    const asked = Array.from({ length: 20 }, async (_, i) => {
      await clock.settle();
      return reasonOf(ask(i % 2 === 0 ? grant : free, `o${i}`, 300));
    });
    await clock.advance(400);
    expect(silent.givenUp).toBeGreaterThan(0);
    expect(new Set(await Promise.all(asked)).size).toBeGreaterThan(0);
    const fresh = ask(free, 'after');
    await clock.settle();
    expect(link.connection).not.toBe(silent);
    link.connection.take().answer(1, SERVER_MS);
    await fresh;
    expect(link.connection.givenUp).toBe(0);
  });

  it('is the one that the command was sent on, though another has taken its place', async () => {
    const { clock, link, meet, ask } = createSender();
    await meet();
    const first = link.connection;
    void ask(grant, 'a', 1000);
    await clock.advance(500);
    first.end();
    void ask(grant, 'b', 1000);
    await clock.settle();
    const second = link.connection;
    await clock.advance(700);
    expect(second.givenUp).toBe(0);
    await clock.advance(400);
    expect(second.givenUp).toBe(1);
  });

  it('is asked nothing more for a while, where the backend wants it so, until it answers', async () => {
    const { clock, link, meet, ask } = createSender({ refuseAfterMs: 400 });
    await meet();
    const slow = ask(grant, 'a', 2000);
    await clock.advance(500);
    expect(await ask(free, 'b').catch((error: unknown) => error)).toMatchObject({ wasSent: false, reason: { kind: 'silent' } });
    link.connection.take().answer('granted', SERVER_MS);
    await slow;
    const next = ask(free, 'c');
    await clock.settle();
    link.connection.take().answer(1, SERVER_MS);
    expect(await next).toMatchObject({ reply: 1 });
  });
});

describe('a connection that is being made', () => {
  it('is given the longest time of those who wait for it, and at least a second', async () => {
    const { clock, link, ask } = createSender();
    void ask(grant, 'a', 30);
    await clock.settle();
    expect(link.openedWithin).toEqual([1000]);
    link.connection.end();
    void ask(grant, 'b', 30);
    void ask(grant, 'c', 3000);
    await clock.settle();
    expect(link.openedWithin).toEqual([1000, 3000]);
  });

  it('is not used by a request whose time was over meanwhile', async () => {
    const { clock, link, ask } = createSender();
    let open = (): void => {};
    link.gate = new Promise((resolve) => {
      open = resolve;
    });
    const short = ask(grant, 'a', 30);
    void ask(grant, 'b', 3000);
    await clock.advance(50);
    open();
    expect(await short.catch((error: unknown) => error)).toMatchObject({ wasSent: false });
    await clock.settle();
    expect(link.connection.take().args.slice(3)).toEqual(['b']);
  });
});

describe('a command that failed for one of its requests', () => {
  it('is asked again one by one', async () => {
    const { meet, sender, piece, next } = createSender({ verdictOf: () => ({ isAnswer: true, next: 'apart' }) });
    await meet();
    const outcomes = Promise.allSettled([sender.sendAll([piece(grant, 'a'), piece(grant, 'b')], (reply) => reply)]);
    (await next()).fail(new Error('TRYAGAIN'));
    const [first, second] = [await next(), await next()];
    expect([first.args.slice(3), second.args.slice(3)]).toEqual([['a'], ['b']]);
    first.answer('A', SERVER_MS);
    second.fail(new Error('TRYAGAIN'));
    expect((await outcomes)[0]?.status).toBe('rejected');
  });
});

it('draining ends when everything is answered, or with its time', async () => {
  const { clock, meet, ask, sender, next } = createSender();
  await meet();
  void ask(grant, 'a');
  const command = await next();
  let isDrained = false;
  const drained = sender.drain(1000).then(() => {
    isDrained = true;
  });
  await clock.settle();
  expect(isDrained).toBe(false);
  command.answer('granted', SERVER_MS);
  await drained;
  sender.close();
  expect(await reasonOf(ask(free, 'b'))).toBeInstanceOf(ConnectionFault);
});
