import type { NodeHealth } from '@holdfast/core';
import { replyCode } from './redis-error.js';
import type { RedisPort } from './redis-port.js';
import { askPermitted } from './server-settings.js';

const EVICTION = 'a policy that evicts locks is not seen';

/** What the user may not do though it is useful, and what that costs. No fault of locks, so it is reported and not refused. */
export async function missingRights(port: RedisPort): Promise<readonly NodeHealth[]> {
  const problems = port.isCluster === true ? await ofCluster(port) : await ofServer(port);
  return problems.map((problem) => ({ node: 'redis', up: true, quarantinedForMs: 0, clockOffsetMs: null, problem }));
}

async function ofServer(server: RedisPort): Promise<readonly string[]> {
  if (await maySeeInfo(server)) return [];
  const cost = 'nor that messages come from another server than the one that is asked; a waiter then relies on asking by itself';
  return [`the user has no permission for INFO (+info): ${EVICTION}, ${cost}, every 0.7 s with fair, else every 2 s`];
}

/** A cluster passes messages on between its nodes: there one listener is as good as another. */
async function ofCluster(port: RedisPort): Promise<readonly string[]> {
  const [master] = port.masters?.() ?? [];
  if (master === undefined) return [];
  const [seesInfo, asks] = await Promise.all([maySeeInfo(master), mayAsk(master)]);
  return [
    ...(seesInfo ? [] : [`the user has no permission for INFO (+info): ${EVICTION}`]),
    ...(asks ? [] : ['the user has no permission for ASKING (+asking): locks whose slot is on its way to another node have to wait']),
  ];
}

async function maySeeInfo(server: RedisPort): Promise<boolean> {
  return (await askPermitted(server, 'INFO', 'server')) !== null;
}

/** ASKING changes what the next command on the connection means, so a harmless one goes with it. */
async function mayAsk(node: RedisPort): Promise<boolean> {
  const [asked] = await Promise.allSettled([node.call('ASKING'), node.call('TIME')]);
  return asked.status === 'fulfilled' || replyCode(asked.reason) !== 'NOPERM';
}
