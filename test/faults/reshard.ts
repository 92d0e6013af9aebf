import type { RedisCluster } from '@holdfast/test/servers';
import { Redis } from 'ioredis';

/** Moves one slot that has keys from its master to another, key by key, as an operator's tool does. */
export async function moveASlot(cluster: RedisCluster): Promise<void> {
  const admins = cluster.nodes.filter(({ isRunning }) => isRunning).map(({ port }) => ({ port, redis: new Redis(port, '127.0.0.1') }));
  try {
    const roles = await Promise.all(admins.map(async (admin) => ({ ...admin, role: await admin.redis.role() })));
    const masters = roles.filter(({ role }) => role[0] === 'master');
    for (const from of masters) {
      const [key] = await from.redis.keys('*');
      const to = masters.find(({ port }) => port !== from.port);
      if (key === undefined || to === undefined) continue;
      await move(Number(await from.redis.cluster('KEYSLOT', key)), from, to, masters);
      return;
    }
  } finally {
    for (const { redis } of admins) redis.disconnect();
  }
}

interface Admin {
  readonly port: number;
  readonly redis: Redis;
}

async function move(slot: number, from: Admin, to: Admin, masters: readonly Admin[]): Promise<void> {
  const target = await to.redis.cluster('MYID');
  await to.redis.cluster('SETSLOT', slot, 'IMPORTING', await from.redis.cluster('MYID'));
  await from.redis.cluster('SETSLOT', slot, 'MIGRATING', target);
  for (;;) {
    const keys = await from.redis.cluster('GETKEYSINSLOT', slot, 10);
    if (keys.length === 0) break;
    await from.redis.call('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys);
  }
  // The new owner first: a slot that nobody owns answers nobody.
  for (const admin of [to, from, ...masters]) await admin.redis.cluster('SETSLOT', slot, 'NODE', target);
}
