import { askZooKeeper, startZooKeeper, startZooKeeperEnsemble, until, type ZooKeeperServer } from '@holdfast/test/servers';
import { afterEach, describe, expect, test, vi } from 'vitest';

const answers = (server: ZooKeeperServer): Promise<boolean> =>
  askZooKeeper(server.port, 'ruok', 300).then(
    (answer) => answer === 'imok',
    () => false,
  );

describe('a ZooKeeper server', () => {
  test('answers, takes its configuration, and is gone with its directory after close', async () => {
    const server = await startZooKeeper({ config: { maxSessionTimeout: 4_321 } });
    expect(await askZooKeeper(server.port, 'conf')).toContain('maxSessionTimeout=4321');
    await server.close();
    await server.close();
    expect(server.isRunning).toBe(false);
    expect(await answers(server)).toBe(false);
  });

  test('stands still while it is paused, and comes back on the same port when it was killed', async () => {
    await using server = await startZooKeeper({ config: {} });
    await server.pause();
    expect(await answers(server)).toBe(false);
    await server.continue();
    await until('it answers again', () => answers(server));
    await server.kill();
    expect([server.isRunning, await answers(server)]).toEqual([false, false]);
    await server.restart();
    expect(server.isRunning).toBe(true);
    await until('it answers after its restart', () => answers(server));
  });
});

test('an ensemble has a leader, and another one when that is killed', async () => {
  await using ensemble = await startZooKeeperEnsemble();
  const leader = await ensemble.leader();
  expect(await ensemble.followers()).toHaveLength(2);
  await leader.kill();
  await until('another leads', async () => (await ensemble.leader()).id !== leader.id, { timeoutMs: 20_000 });
  await leader.restart();
  await until('the old leader follows', async () => (await leader.role()) === 'follower', { timeoutMs: 20_000 });
});

describe('a ZooKeeper server given by its address', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('is reached through a wire that can be cut', async () => {
    await using real = await startZooKeeper({ config: {} });
    vi.stubEnv('HOLDFAST_TEST_SERVERS', '');
    vi.stubEnv('HOLDFAST_TEST_ZOOKEEPER_URL', `zookeeper://127.0.0.1:${real.port}`);
    await using server = await startZooKeeper();
    expect(server.source).toBe('address');
    await until('it answers', () => answers(server));
    await server.kill();
    expect(await answers(server)).toBe(false);
    await server.restart();
    await until('it answers again', () => answers(server));
  });
});
