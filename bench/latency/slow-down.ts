import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { within } from '../deadline.js';
import type { Store } from '../store.js';

const delayFile = fileURLToPath(new URL('./delay-process.js', import.meta.url));
const startMs = 10_000;

/**
 * The same store, a network of that round trip away from all who open its address. The benchmark's own looks at the store stay direct.
 *
 * @param roundTripMs half of it in each direction
 * @returns a store whose `close` ends the network, and not the store
 */
export async function slowDown(store: Store, roundTripMs: number): Promise<Store> {
  const servers = store.address.split(',').map((address) => new URL(address));
  const child = fork(delayFile, [String(roundTripMs / 2), ...servers.map(({ host }) => host)], { execArgv: [] });
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  try {
    const ports = await within(startMs, 'starting a slow network', portsOf(once(child, 'message')));
    const address = servers.map((server, index) => withPort(server, ports[index])).join(',');
    return { ...store, address, title: `${store.title}, ${roundTripMs} ms away`, close: end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function portsOf(message: Promise<readonly unknown[]>): Promise<readonly number[]> {
  const [ports] = await message;
  if (!Array.isArray(ports)) throw new Error('the slow network did not say where it listens');
  return ports.map(Number);
}

function withPort(server: URL, port: number | undefined): string {
  const copy = new URL(server);
  copy.host = `127.0.0.1:${port}`;
  return copy.href;
}
