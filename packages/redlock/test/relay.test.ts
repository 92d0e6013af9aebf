import type { CallContext, HoldRequest } from '@holdfast/core';
import { calm, World } from '@holdfast/test/simulation';
import { beforeEach, describe, expect, it } from 'vitest';
import { Deployment } from './simulator/deployment.js';

const TTL_MS = 10_000;
let world: World;
let deployment: Deployment;
let client: ReturnType<Deployment['client']>;
let owners = 0;

beforeEach(() => {
  world = new World(1);
  deployment = new Deployment(world, calm);
  client = deployment.client('c1');
});

function request(changes: Partial<HoldRequest> = {}): HoldRequest {
  const owner = `${(++owners).toString(16).padStart(8, '0')}${'0'.repeat(24)}`;
  return { name: 's', mode: 'permits', permits: 1, limit: 1, label: '', ttlMs: TTL_MS, owner, ...changes } as HoldRequest;
}

function call(): CallContext {
  return { timeoutMs: 2000, signal: new AbortController().signal, clock: client.clock };
}

/** Lets the network work until the promise has settled. */
async function inTime<T>(promise: Promise<T>): Promise<T> {
  await pass(1000);
  return promise;
}

async function pass(ms: number): Promise<void> {
  world.later(ms, () => {});
  await world.run(world.now + ms);
}

function votes(): number {
  return deployment.servers.reduce((sum, { node }) => sum + node.standing, 0);
}

async function held(): Promise<HoldRequest> {
  const first = request();
  const [answer] = await inTime(client.backend.attempt([first], call()));
  expect(answer?.granted).toBe(true);
  return first;
}

describe('a permit that is given back while its own client wants one', () => {
  it('goes on without a question to the nodes, as old as it is', async () => {
    const first = request();
    const asked = client.backend.attempt([first], call());
    const stamp = { now: client.clock.now(), wall: client.clock.wall() };
    await pass(20);
    expect((await asked)[0]?.granted).toBe(true);
    const released = client.backend.release([first], call());
    const [answer] = await client.backend.attempt([request()], call());
    expect(answer).toMatchObject({ granted: true, stamp });
    expect(await released).toEqual([{ wasOurs: true, isFinal: true }]);
  });

  it('goes to a request that is under way', async () => {
    const first = request();
    const asked = client.backend.attempt([first], call());
    await pass(20);
    await asked;
    const underWay = client.backend.attempt([request()], call());
    await client.backend.release([first], call());
    expect((await underWay)[0]?.granted).toBe(true);
  });

  it('is not touched by a late release of its first holder, and freed by its last', async () => {
    const first = request();
    const asked = client.backend.attempt([first], call());
    await pass(20);
    await asked;
    const next = request();
    void client.backend.release([first], call());
    await client.backend.attempt([next], call());
    await inTime(client.backend.release([first], call()));
    expect(votes()).toBe(3);
    expect((await inTime(client.backend.release([next], call())))[0]?.wasOurs).toBe(true);
    expect(votes()).toBe(0);
  });

  it('is reported as lost to its next holder when the nodes have it no more', async () => {
    const first = request();
    const asked = client.backend.attempt([first], call());
    await pass(20);
    await asked;
    const lost: string[] = [];
    client.backend.onLost(({ owner }) => lost.push(owner));
    for (const { node } of deployment.servers) node.empty();
    const next = request();
    void client.backend.release([first], call());
    await client.backend.attempt([next], call());
    await pass(100);
    expect(lost).toEqual([next.owner]);
  });

  it.each([
    { what: 'another label', changes: { label: 'other' } },
    { what: 'a longer time', changes: { ttlMs: TTL_MS + 1 } },
    { what: 'another number of permits', changes: { permits: 2, limit: 2 } },
  ])('is released for a request with $what', async ({ changes }) => {
    const first = await held();
    const released = client.backend.release([first], call());
    const asked = client.backend.attempt([request(changes)], call());
    const [answer] = await inTime(asked);
    expect(answer).toMatchObject({ granted: true });
    expect(answer).not.toHaveProperty('stamp');
    expect((await released)[0]).toEqual({ wasOurs: true, isFinal: true });
  });

  it('is released when a quorum has confirmed it too long ago', async () => {
    const first = await held();
    const released = client.backend.release([first], call());
    expect((await inTime(client.backend.attempt([request()], call())))[0]).not.toHaveProperty('stamp');
    expect((await released)[0]?.wasOurs).toBe(true);
  });
});
