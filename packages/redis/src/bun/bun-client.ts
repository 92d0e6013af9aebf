import { hasMethods } from '@holdfast/core/backend';

/** What Holdfast needs of Bun's own client, `Bun.RedisClient`, of Bun 1.4. */
export interface BunRedisClient {
  /** Whether the connection stands. */
  readonly connected: boolean;
  /** Bytes that wait to be sent. */
  readonly bufferedAmount: number;
  /** Sends a command. */
  send(command: string, words: string[]): Promise<unknown>;
  /** Makes another client with the same settings, which is connected; called for connections of our own. */
  duplicate(): Promise<BunRedisClient>;
  /** Ends the client; called on connections of our own alone. */
  close(): void;
}

/** The rest of what is used, of clients that were recognised. */
export interface BunDriverClient extends BunRedisClient {
  send(command: string, words: readonly string[]): Promise<unknown>;
  duplicate(): Promise<BunDriverClient>;
  subscribe(channel: string, listener: (text: string, channel: string) => void): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  /** One of each: of a client of the user's they are the user's. */
  onconnect: (() => void) | null;
  onclose: (() => void) | null;
}

/** Whether a value looks like a client of Bun. */
export function isBunClient(value: unknown): value is BunDriverClient {
  if (!hasMethods(value, 'send', 'duplicate', 'subscribe', 'unsubscribe', 'close')) return false;
  const { connected, bufferedAmount } = value as Partial<BunRedisClient>;
  return typeof connected === 'boolean' && typeof bufferedAmount === 'number';
}
