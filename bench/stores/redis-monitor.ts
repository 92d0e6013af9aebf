import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { within } from '../deadline.js';
import type { CommandWatch } from '../store.js';

/** Enough of a line to know whose command it was and which; a script over 1,000 names makes a long one. */
const headLength = 200;
/** A busy server writes faster than one process reads; what is under way must be read before it can be counted. */
const catchUpMs = 30_000;

/** The benchmark's own connection, whose commands do not count. */
export interface OwnConnection {
  /** host:port as the server sees it. */
  readonly address: string;
  echo(text: string): Promise<unknown>;
}

/**
 * Counts commands with MONITOR, which tells whose each was and marks those of scripts; INFO's counters mix them. On a bare
 * socket, because ioredis 5 breaks when the first commands arrive together with the answer to MONITOR. It slows the
 * server, so it runs where commands are counted and never where time is taken.
 *
 * Counting begins and ends at commands of our own, which stand in the same order as all others.
 */
export async function monitorRedis(url: string, own: OwnConnection): Promise<CommandWatch> {
  const { hostname, port, username, password } = new URL(url);
  const socket = connect(Number(port || 6379), hostname);
  await once(socket, 'connect');
  const marks = new Map<string, () => void>();
  let counts = new Map<string, number>();
  const lines = new LineHeads((line) => {
    const [, source, name, argument = ''] = /^\+[\d.]+ \[\d+ (\S+)\] "(\w+)"(?: "([\w-]+)")?/.exec(line) ?? [];
    if (source === undefined || name === undefined || source === 'lua') return;
    if (source === own.address) {
      marks.get(argument)?.();
      return;
    }
    const command = name.toUpperCase();
    counts.set(command, (counts.get(command) ?? 0) + 1);
  });
  socket.on('data', (chunk: Buffer) => lines.push(chunk.toString('latin1')));
  const lost = new Promise<never>((_resolve, reject) => {
    socket.on('error', (error) => reject(new Error('the connection that counts commands was lost', { cause: error })));
  });
  lost.catch(() => undefined);
  /** Takes what was counted up to now. */
  const cut = async (): Promise<ReadonlyMap<string, number>> => {
    const mark = randomUUID();
    const taken = new Promise<ReadonlyMap<string, number>>((resolve) => {
      marks.set(mark, () => {
        resolve(counts);
        counts = new Map();
      });
    });
    await own.echo(mark);
    return within(catchUpMs, 'reading what the server was asked', Promise.race([taken, lost]));
  };
  if (password !== '') {
    const auth = ['AUTH', ...(username === '' ? [] : [username]), password].map((part) => decodeURIComponent(part));
    socket.write(`*${auth.length}\r\n${auth.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`);
  }
  socket.write('MONITOR\r\n');
  // Its first line, +OK or a refusal, says that commands from now on are seen.
  await Promise.race([once(socket, 'data'), lost]);
  await cut();
  const start = performance.now();
  return {
    async stop() {
      const seconds = (performance.now() - start) / 1_000;
      try {
        return { seconds, commands: await cut() };
      } finally {
        socket.destroy();
      }
    },
  };
}

/** Cuts a stream into lines and keeps the beginning of each. */
class LineHeads {
  readonly #onLine: (line: string) => void;
  #line = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(text: string): void {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#keep(text, start, end);
      this.#onLine(this.#line);
      this.#line = '';
      start = end + 1;
    }
    this.#keep(text, start, text.length);
  }

  #keep(text: string, start: number, end: number): void {
    const room = headLength - this.#line.length;
    if (room > 0) this.#line += text.slice(start, Math.min(end, start + room));
  }
}
