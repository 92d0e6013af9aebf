import { systemClock } from '@holdfast/core';
import { callOf, requestOf } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { ParentNodes } from '../src/parent-nodes.js';
import { QueuePlace, type QueueSession } from '../src/queue-place.js';
import { LaggingServers } from './lagging-servers.js';
import { breakLookup } from './mutants/lookup-without-write.js';

const PARENT = '/locks/name';

/** A request whose reply is lost, on an ensemble of which the next server lags: the place of the request, and what it leaves. */
class LostReply {
  readonly servers = new LaggingServers();
  readonly place: QueuePlace;
  isGone = false;

  constructor(session: (servers: QueueSession) => QueueSession = (servers) => servers) {
    const parts = {
      session: session(this.servers),
      parents: new ParentNodes(this.servers, systemClock),
      clock: systemClock,
      onLost: () => {},
      onLimitDiffers: () => {},
      onGone: () => {
        this.isGone = true;
      },
    };
    this.place = new QueuePlace(parts, PARENT, requestOf('name'));
    this.servers.loseReplyToChild(() => void this.place.reconnected());
  }

  get nodes(): readonly string[] {
    return this.servers.paths.filter((path) => path.startsWith(`${PARENT}/`));
  }
}

async function failAttempt(lost: LostReply): Promise<void> {
  await expect(lost.place.attempt(callOf())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
  await until('it is gone', () => lost.isGone);
}

describe('a request whose reply was lost, on a server that lags behind', () => {
  it('is found and removed when it was an attempt', async () => {
    const lost = new LostReply();
    await failAttempt(lost);
    expect(lost.nodes).toEqual([]);
  });

  it('is found and granted when it waits, and makes no second node', async () => {
    const lost = new LostReply();
    expect(await lost.place.wait(callOf())).toMatchObject({ granted: true });
    expect(lost.nodes).toHaveLength(1);
    expect(await lost.place.leave()).toBe(true);
    expect(lost.nodes).toEqual([]);
  });

  it('would be left behind by a lookup without a write before it', async () => {
    const attempted = new LostReply(breakLookup);
    await failAttempt(attempted);
    expect(attempted.nodes).toHaveLength(1);
    const waiting = new LostReply(breakLookup);
    const granted = waiting.place.wait(callOf());
    granted.catch(() => {});
    await until('it has made another', () => waiting.nodes.length === 2);
    await waiting.place.leave();
  });
});
