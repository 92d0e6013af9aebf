import { Buffer } from 'node:buffer';
import { connect } from 'node:net';

/** What the first word of a server tells, of PostgreSQL itself or of a pooler in front of it. */
export type PostgresGreeting = 'ready' | 'not ready';

/**
 * Sends a start-up message and reads the first byte of the answer: a server that takes connections asks for a password,
 * one that starts, recovers or shuts down answers with an error. No client library is needed for that.
 */
export function greetPostgres(port: number, user: string, database: string, timeoutMs = 1_000): Promise<PostgresGreeting> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const timer = setTimeout(() => end(new Error(`no greeting from port ${port} in ${timeoutMs} ms`)), timeoutMs);
    const end = (error: Error | null): void => {
      clearTimeout(timer);
      socket.destroy();
      if (error) reject(error);
    };
    socket.once('connect', () => socket.write(startupMessage({ user, database })));
    socket.once('error', end);
    socket.once('close', () => end(new Error(`port ${port} closed the connection`)));
    socket.once('data', (data) => {
      resolve(data.toString('latin1', 0, 1) === 'R' ? 'ready' : 'not ready');
      end(null);
    });
  });
}

/** The message of protocol 3.0: its length, the version, then names and values that end with a zero. */
function startupMessage(parameters: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(parameters).flatMap(([name, value]) => [name, value]);
  const body = Buffer.from(`${pairs.join('\0')}\0\0`, 'utf8');
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + body.length, 0);
  head.writeInt32BE(196_608, 4);
  return Buffer.concat([head, body]);
}
