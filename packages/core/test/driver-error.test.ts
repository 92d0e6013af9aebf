import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { driverError } from '@holdfast/core/backend';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// A folder from which the driver cannot be seen.
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-driver-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What Node says of a module that is loaded there. */
async function failureOf(text: string): Promise<unknown> {
  const file = join(folder, `${Math.random()}.mjs`);
  await writeFile(file, text);
  return await import(pathToFileURL(file).href).then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );
}

describe('a driver that cannot be loaded', () => {
  it('is to be installed when it is not there, by import and by require', async () => {
    const required = (() => {
      try {
        return createRequire(join(folder, 'main.js'))('acme-driver') as unknown;
      } catch (error) {
        return error;
      }
    })();
    for (const reason of [await failureOf(`import 'acme-driver';`), required]) {
      const error = driverError('acme', 'acme-driver', reason);
      expect(error).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', backend: 'acme', retryable: false });
      expect(error.message).toBe('acme: the driver acme-driver is not installed; run: npm install acme-driver');
      expect(error.cause).toBe(reason);
    }
  });

  it.each([
    ['lacks something that it needs', `import 'what-it-needs';`, /could not be loaded: .*what-it-needs/],
    ['throws', `throw new Error('no luck\\nat all');`, /could not be loaded: no luck$/],
    [
      'was bundled in a way that does not work',
      `throw new Error('Dynamic require of "events" is not supported');`,
      /could not be loaded: Dynamic/,
    ],
    ['throws anything', `throw 'no luck';`, /could not be loaded: no luck$/],
  ])('says why when it %s', async (_, text, message) => {
    const reason = await failureOf(text);
    const error = driverError('acme', 'acme-driver', reason);
    expect(error.retryable).toBe(false);
    expect(error.message).toMatch(message);
    expect(error.cause).toBe(reason);
  });
});
