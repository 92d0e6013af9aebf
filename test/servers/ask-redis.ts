import { connect } from 'node:net';

/**
 * Sends one inline command to a Redis server and resolves to its reply as text: enough to see whether it is up and what it says
 * about itself, without a client library whose own reconnecting would blur the picture. An error reply is returned as
 * `-CODE message`, not thrown.
 */
export function askRedis(port: number, command: string, timeoutMs = 5_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    const settle = (error: Error | null): void => {
      clearTimeout(timer);
      socket.destroy();
      if (error) reject(error);
    };
    const timer = setTimeout(() => settle(new Error(`no reply to ${command} from port ${port} in ${timeoutMs} ms`)), timeoutMs);
    socket.setEncoding('latin1');
    socket.once('connect', () => socket.write(`${command}\r\n`));
    socket.once('error', settle);
    socket.once('close', () => settle(new Error(`port ${port} closed the connection`)));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const reply = readReply(text);
      if (reply === null) return;
      resolve(reply);
      settle(null);
    });
  });
}

/** A complete simple, error, integer or bulk reply; null while more has to come. */
function readReply(text: string): string | null {
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd < 0) return null;
  const line = text.slice(0, lineEnd);
  if (!line.startsWith('$')) return line.startsWith('-') ? line : line.slice(1);
  const length = Number(line.slice(1));
  const start = lineEnd + 2;
  return text.length < start + length ? null : text.slice(start, start + length);
}
