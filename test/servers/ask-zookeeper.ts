import { connect } from 'node:net';

/** Sends one of the four-letter words to a ZooKeeper server and resolves to all that it answers before it closes the connection. */
export function askZooKeeper(port: number, word: string, timeoutMs = 1_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    const timer = setTimeout(() => socket.destroy(new Error(`no answer to ${word} from port ${port} in ${timeoutMs} ms`)), timeoutMs);
    socket.setEncoding('utf8');
    socket.once('connect', () => socket.write(word));
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}
