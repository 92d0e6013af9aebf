import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:net';

/**
 * Below every system's ephemeral range (Linux starts at 32768), on purpose: while a server is down for a restart its port must
 * neither be handed to somebody's outgoing connection nor let a reconnecting client connect to itself.
 * The upper half is for Redis Cluster, whose bus listens 10,000 above.
 */
const FIRST_PORT = 11_000;
const PORT_COUNT = 10_000;
const TRIES = 200;

/** A port that no other test process takes meanwhile. */
export interface ReservedPort {
  /** The number. */
  readonly port: number;
  /** Lets others have it. */
  release(): void;
}

/**
 * Reserves a TCP port on 127.0.0.1 for a server that does not listen yet, or is down for a while.
 *
 * The reservation is a UDP socket on the same number: the operating system lets only one process have it, frees it when the
 * process dies, and it does not stand in the server's way. So test processes running side by side never choose the same port.
 *
 * @param alsoFree offsets that must be free too, for instance 10,000 for the bus of a Redis Cluster node.
 */
export async function reservePort(alsoFree: readonly number[] = []): Promise<ReservedPort> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    const reservation = await bindDatagram(port);
    if (reservation === null) continue;
    const ports = [port, ...alsoFree.map((offset) => port + offset)];
    const free = await Promise.all(ports.map((candidate) => canListen(candidate)));
    if (free.every(Boolean)) return { port, release: () => reservation.close() };
    reservation.close();
  }
  throw new Error(`no free port on 127.0.0.1 between ${FIRST_PORT} and ${FIRST_PORT + PORT_COUNT - 1} after ${TRIES} tries`);
}

function bindDatagram(port: number): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.unref();
    socket.once('error', () => {
      socket.close();
      resolve(null);
    });
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
