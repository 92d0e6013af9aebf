import { systemClock } from '@holdfast/core';
import { afterEach, expect, it } from 'vitest';
import { openDriver } from '../src/open-driver.js';
import { ZooKeeperSession } from '../src/zookeeper-session.js';
import { CuttingRelay } from './cutting-relay.js';
import { newRoot, useZooKeeper } from './zookeeper-harness.js';

const zooKeeper = useZooKeeper();
const ALL = 31;
const READ = 1;
const HANDSHAKE_BYTES = 41;
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

function sessionTo(port: number, root: string, permissions: number): ZooKeeperSession {
  const session = new ZooKeeperSession(
    {
      openDriver,
      servers: [{ host: '127.0.0.1', port }],
      timeoutMs: 4000,
      auth: null,
      acl: [{ permissions, scheme: 'world', id: 'anyone' }],
      directories: [root, `${root}/sessions`],
      clock: systemClock,
    },
    { onConnected: async () => {}, onLost: () => {} },
  );
  open.push(session);
  return session;
}

/** The bytes up to the end of the answer to the making of the session's node: nothing of what is asked behind that is answered. */
function bytesUntilNode(root: string): number {
  return HANDSHAKE_BYTES + 4 + 16 + 4 + `${root}/sessions/0123456789abcdef`.length + 68;
}

it('a session whose permissions are not known yet when its connection ends is asked for them again on the next', async () => {
  const root = newRoot();
  const other = sessionTo(zooKeeper.server.port, root, ALL);
  await other.ready(5000);
  const relay = await CuttingRelay.open(zooKeeper.server.port);
  open.push(relay);
  relay.cutAfter(bytesUntilNode(root));
  const session = sessionTo(relay.port, root, ALL - READ);
  await expect(session.ready(5000)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
  await expect(session.ready(5000)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
  expect(relay.requests).toHaveLength(2);
  relay.cutAfter(bytesUntilNode(root));
  const allowed = sessionTo(relay.port, root, ALL);
  await expect(allowed.ready(5000)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
  await allowed.ready(5000);
  expect(relay.requests).toHaveLength(4);
  await allowed.close();
  await other.close();
  await zooKeeper.admin.removeAll(root);
});
