import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import process from 'node:process';
import { DelayLine } from './delay-line.js';

// A process between clients and servers, so that none of its work is counted as theirs: what comes on one side goes on later on the other.
// Arguments: how much later, in milliseconds, then host:port of each server. Sends the ports that it listens on, in the same order.

const [delayMs = '0', ...targets] = process.argv.slice(2);
const line = new DelayLine(Number(delayMs));

// The benchmark has ended, in whatever way.
process.on('disconnect', () => process.exit(0));
process.send?.(await Promise.all(targets.map(listenFor)));

async function listenFor(target: string): Promise<number> {
  const { hostname: host, port } = new URL(`tcp://${target}`);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
    passOn(client, upstream);
    passOn(upstream, client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function passOn(from: Socket, to: Socket): void {
  from.on('data', (chunk: Buffer) => line.add(() => to.write(chunk)));
  from.on('end', () => line.add(() => to.end()));
  from.on('error', () => to.destroy());
  from.on('close', () => line.add(() => to.destroy()));
}
