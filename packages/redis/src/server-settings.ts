import { replyCode } from './redis-error.js';
import type { RedisPort } from './redis-port.js';

/** What the server is configured with; null where it does not let us ask. */
export async function settingOf(server: RedisPort, name: string): Promise<string | null> {
  const config = await askPermitted(server, 'CONFIG', 'GET', name);
  const value: unknown = Array.isArray(config) ? config[1] : (config as Record<string, unknown> | null)?.[name];
  return typeof value === 'string' ? value : null;
}

/** The answer, or null when the server does not let us ask. */
export async function askPermitted(server: RedisPort, command: string, ...words: string[]): Promise<unknown> {
  try {
    return await server.call(command, ...words);
  } catch (error) {
    if (replyCode(error) === 'NOPERM' || (error instanceof Error && /unknown (sub)?command/i.test(error.message))) return null;
    throw error;
  }
}
