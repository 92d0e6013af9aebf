import { findProcessSource, type RedisServer, redisSpec, spawnScript, startRedis } from '@holdfast/test/servers';

/** Starts a server, a paused server and a paused script, says their pids, and ends none of them. */
const servers: RedisServer[] = [];
// A container is not a process of this machine: there the engine's reaper does the work.
if ((await findProcessSource(redisSpec)).kind === 'binary') {
  servers.push(await startRedis({ config: {} }), await startRedis({ config: {} }));
  await servers[1]?.pause();
}
const child = spawnScript(new URL('./echo-script.js', import.meta.url));
await child.next();
child.pause();
process.send?.({ pids: [...servers.map(({ pid }) => pid), child.pid] });
process.on('message', () => {});
