import { type Clock, systemClock } from '@holdfast/core';
import { callOf, requestOf } from '@holdfast/test/backend';
import { expect, it } from 'vitest';
import { ParentNodes } from '../src/parent-nodes.js';
import { QueuePlace } from '../src/queue-place.js';
import { RefusalError } from '../src/zookeeper-error.js';
import { LaggingServers } from './lagging-servers.js';

const PARENT = '/locks/name';
const THROTTLED = -127;

/** Servers that refuse every removal for as long as they are busy. */
class BusyServers extends LaggingServers {
  isBusy = false;
  removals = 0;

  override async remove(path: string, version?: number): Promise<void> {
    this.removals += 1;
    if (this.isBusy) throw new RefusalError(THROTTLED);
    await super.remove(path, version);
  }
}

interface Ending {
  readonly servers: BusyServers;
  readonly place: QueuePlace;
  /** What is to be done when time has passed. */
  readonly timers: (() => void)[];
}

function placeOn(servers: BusyServers): Ending {
  const timers: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    setTimer: (_ms, work) => {
      timers.push(work);
      return { cancel: () => void timers.splice(timers.indexOf(work), 1) };
    },
  };
  const parents = new ParentNodes(servers, clock);
  const parts = { session: servers, parents, clock, onLost: () => {}, onLimitDiffers: () => {}, onGone: () => {} };
  return { servers, place: new QueuePlace(parts, PARENT, requestOf('name')), timers };
}

it('a removal that is refused is tried again by one timer, however often it is asked for', async () => {
  const { servers, place, timers } = placeOn(new BusyServers());
  expect(await place.attempt(callOf())).toMatchObject({ granted: true });
  servers.isBusy = true;
  for (let calls = 0; calls < 10; calls += 1) await expect(place.leave()).rejects.toMatchObject({ retryable: true });
  expect(timers).toHaveLength(1);
  servers.isBusy = false;
  const before = servers.removals;
  timers.pop()?.();
  expect(await place.leave()).toBe(true);
  expect(servers.removals - before).toBe(1);
});

it('an attempt that was granted is not granted again once it has ended, though its node still stands', async () => {
  const { servers, place } = placeOn(new BusyServers());
  expect(await place.attempt(callOf())).toMatchObject({ granted: true });
  expect(await place.attempt(callOf())).toMatchObject({ granted: true });
  servers.isBusy = true;
  await expect(place.leave()).rejects.toMatchObject({ retryable: true });
  expect(servers.paths.filter((path) => path.startsWith(`${PARENT}/`))).toHaveLength(1);
  await expect(place.attempt(callOf())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
});
