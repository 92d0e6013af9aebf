import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { driverLoader } from '@holdfast/core/backend';
import { isLockError, type LockUnavailableError } from '@holdfast/core';
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

interface Driver {
  connect(): void;
}

function loaderOf(load: () => Promise<unknown>): () => Promise<Driver> {
  const isDriver = (candidate: unknown): candidate is Driver => typeof (candidate as Partial<Driver> | null)?.connect === 'function';
  return driverLoader({ backend: 'acme', driver: 'acme-driver', load, isDriver });
}

async function refusalOf(load: () => Promise<unknown>): Promise<LockUnavailableError> {
  const error: unknown = await loaderOf(load)().catch((reason: unknown) => reason);
  if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) return error;
  throw new Error('it was loaded', { cause: error });
}

describe('a driver', () => {
  it('is loaded once, as the module or as its default export', async () => {
    const driver = { connect() {} };
    for (const module of [driver, { default: driver }]) {
      let loads = 0;
      const load = loaderOf(async () => {
        loads += 1;
        return module;
      });
      // oxlint-disable-next-line no-await-in-loop
      expect(await Promise.all([load(), load()])).toEqual([driver, driver]);
      expect(loads).toBe(1);
    }
  });

  it('is refused when it is another one, or what a bundler has left of it', async () => {
    for (const module of [{}, { default: {} }, { connect: 5 }, null, undefined]) {
      // oxlint-disable-next-line no-await-in-loop
      const error = await refusalOf(() => Promise.resolve(module));
      expect(error).toMatchObject({ backend: 'acme', retryable: false });
      expect(error.message).toMatch(/^acme: the driver acme-driver is of a version that Holdfast does not know, or a bundler/);
    }
  });

  it('that threw is not asked for again, as its module would answer without an error', async () => {
    let loads = 0;
    const load = loaderOf(async () => {
      loads += 1;
      if (loads === 1) throw new Error('Dynamic require of "events" is not supported');
      return {};
    });
    for (const _ of [1, 2, 3]) {
      // oxlint-disable-next-line no-await-in-loop
      await expect(load()).rejects.toThrow(
        'acme: the driver acme-driver could not be loaded: Dynamic require of "events" is not supported',
      );
    }
  });
});

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
      // oxlint-disable-next-line no-await-in-loop
      const error = await refusalOf(() => Promise.reject(reason));
      expect(error).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', backend: 'acme', retryable: false });
      expect(error.message).toBe('acme: the driver acme-driver is not installed; run: npm install acme-driver');
      expect(error).toMatchObject({ retryable: false, wasSent: false });
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
    const error = await refusalOf(() => Promise.reject(reason));
    expect(error.retryable).toBe(false);
    expect(error.message).toMatch(message);
    expect(error.cause).toBe(reason);
  });
});
