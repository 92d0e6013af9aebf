import { spawnScript, startRedis } from '@holdfast/test/servers';

/** Starts a server, a paused server and a paused script, says their pids, and ends none of them. */
const server = await startRedis();
const paused = await startRedis();
await paused.pause();
const child = spawnScript(new URL('./echo-script.js', import.meta.url));
await child.next();
child.pause();
process.send?.({ pids: [server.pid, paused.pid, child.pid].filter((pid) => pid !== undefined) });
process.on('message', () => {});
