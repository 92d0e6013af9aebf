import { callOf, newName, requestOf } from '@holdfast/test/backend';
import { startRedis } from '@holdfast/test/servers';
import { expect, it, onTestFinished } from 'vitest';
import { createRedisBackend } from './chosen-driver.js';

it('hands on at a server that has never run the script: the release does not overtake the second request', async () => {
  const server = await startRedis({ config: {} });
  onTestFinished(() => server.close());
  const backend = createRedisBackend({ url: server.url });
  onTestFinished(() => backend.close());
  const name = newName();
  const [first, next] = [requestOf(name), requestOf(name)];
  await backend.attempt([first], callOf());
  // The release is known to the server before the hand-over is.
  const other = requestOf(newName());
  await backend.release([other], callOf());
  expect(await backend.release([{ ...first, next }], callOf())).toMatchObject([{ wasOurs: true, next: { granted: true } }]);
  expect(await backend.release([next], callOf())).toMatchObject([{ wasOurs: true }]);
});
