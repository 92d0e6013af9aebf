import type { DriverClient } from './redis-client.js';
import { replyCode } from './redis-error.js';

/** What the server is configured with; null where it does not let us ask. */
export async function settingOf(client: DriverClient, name: string): Promise<string | null> {
  const config = await askPermitted(client, 'CONFIG', 'GET', name);
  const value: unknown = Array.isArray(config) ? config[1] : (config as Record<string, unknown> | null)?.[name];
  return typeof value === 'string' ? value : null;
}

/** The answer, or null when the server does not let us ask. */
export async function askPermitted(client: DriverClient, command: string, ...words: string[]): Promise<unknown> {
  try {
    return await client.call(command, ...words);
  } catch (error) {
    if (replyCode(error) === 'NOPERM' || (error instanceof Error && /unknown (sub)?command/i.test(error.message))) return null;
    throw error;
  }
}
