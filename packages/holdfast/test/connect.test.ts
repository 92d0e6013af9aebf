import { rule, systemClock } from '@holdfast/core';
import { createMemoryStore } from '@holdfast/core/memory';
import { reservePort } from '@holdfast/test/servers';
import {
  connect,
  isLockError,
  LockArgumentError,
  LockError,
  type LockErrorCode,
  type LockEvent,
  LockUnavailableError,
  type LockManager,
} from 'holdfast';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { acmeBackend, seen } from './acme-locks.js';
import * as acme from './acme-locks.js';

const opened: LockManager[] = [];

/** Closed after the test. What is passed is not checked by types: it may come from JSON or JavaScript. */
async function open(...args: readonly unknown[]): Promise<LockManager> {
  const manager = await loosely(...args);
  opened.push(manager);
  return manager;
}
const loosely = connect as (...args: readonly unknown[]) => Promise<LockManager>;

/** What connect fails with, checked to be ours and to have the code. */
async function failure(code: LockErrorCode, call: () => Promise<unknown>): Promise<LockError> {
  const error: unknown = await call().then(
    () => expect.fail('it connected'),
    (reason: unknown) => reason,
  );
  if (!isLockError(error, code)) throw error;
  expect(error).toBeInstanceOf(LockError);
  return error;
}

beforeEach(() => {
  vi.stubEnv('HOLDFAST_URL', undefined);
  Object.assign(seen, { url: '', options: {}, opened: 0, closed: 0 });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(opened.splice(0).map((manager) => manager.close()));
});

describe('connect', () => {
  it('opens memory: and locks', async () => {
    const locks = await open('memory:');
    expect(locks.backend).toBe('memory');
    expect(await locks.withLock('a', (lease) => lease.isHeld)).toBe(true);
  });

  it('takes a configuration object, and options beside it', async () => {
    const events: string[] = [];
    const locks = await open(
      { url: 'memory:config', label: 'me' },
      { onEvent: (event: LockEvent) => events.push(`${event.type} ${event.label}`) },
    );
    await locks.withLock('a', () => {});
    expect(events).toContain('granted me');
  });

  it('reads HOLDFAST_URL when there is no URL', async () => {
    vi.stubEnv('HOLDFAST_URL', ' memory:from-env?label=env ');
    for (const locks of [await open(), await open({ require: ['fencing'] }), await open(undefined, { ttlMs: 1000 })]) {
      expect(locks.backend).toBe('memory');
    }
  });

  it('does not lock in memory because nobody said where', async () => {
    expect((await failure('LOCK_INVALID_ARGUMENT', () => connect())).message).toMatch(
      /HOLDFAST_URL is not set; set it to the store, such as redis:/,
    );
    vi.stubEnv('HOLDFAST_URL', '');
    expect((await failure('LOCK_INVALID_ARGUMENT', () => connect({ ttlMs: 5 }))).message).toMatch(/HOLDFAST_URL is empty/);
  });

  it('tells what looks like a URL from one', async () => {
    expect((await failure('LOCK_INVALID_ARGUMENT', () => loosely(new URL('redis://:SECRET@h')))).message).toMatch(/href$/);
    for (const key of ['URL', 'uri', 'host', 'connectionString', 'redisUrl'])
      expect((await failure('LOCK_INVALID_ARGUMENT', () => loosely({ [key]: 'redis://h' }))).message).toContain(`"${key}" is no option`);
  });

  it.each([
    ['client', 'redis:', 'createRedisLockManager'],
    ['clients', 'redlock:', 'createRedlockLockManager'],
    ['pool', 'postgres:', 'createPostgresLockManager'],
  ])('says who takes a %s', async (option, scheme, factory) => {
    const { message } = await failure('LOCK_INVALID_ARGUMENT', () => loosely(`${scheme}//h`, { [option]: {} }));
    expect(message).toContain(`call ${factory}({ ${option} })`);
  });

  it('gives a URL that is said precedence over HOLDFAST_URL', async () => {
    vi.stubEnv('HOLDFAST_URL', 'nonsense');
    expect((await open('memory:')).backend).toBe('memory');
  });

  it('lets everybody in the process who connects to the same memory: URL exclude each other', async () => {
    const [a, b, other] = [await open('memory:shared'), await open('memory://shared'), await open('memory:other')];
    const lease = await a.acquire('x');
    expect(await b.tryAcquire('x')).toBeNull();
    expect(await other.tryAcquire('x')).not.toBeNull();
    await lease.release();
    expect(await b.tryAcquire('x')).not.toBeNull();
  });

  it('takes a store of one’s own', async () => {
    const store = createMemoryStore();
    const [a, b, shared] = [await open('memory:', { store }), await open('memory:', { store }), await open('memory:')];
    await a.acquire('own');
    expect(await b.tryAcquire('own')).toBeNull();
    expect(await shared.tryAcquire('own')).not.toBeNull();
    await failure('LOCK_INVALID_ARGUMENT', () => connect('memory:named', { store }));
  });

  it('passes options on: those of the manager, of the backend, and from the URL', async () => {
    const labels = new Set<string | null>();
    const locks = await open('memory:options?fair=false&label=from-url', { onEvent: (event: LockEvent) => labels.add(event.label) });
    expect(locks.capabilities.fair).toBe(false);
    await locks.withLock('a', () => {});
    expect([...labels]).toEqual(['from-url']);
  });
});

describe('connect refuses', () => {
  it.each([
    ['an unknown option', 'memory:', { ttl: 5 }, /unknown option "ttl"; did you mean ttlMs/],
    ['an option of another backend', 'memory:', { prefix: 'x' }, /unknown option "prefix"/],
    ['a wrong value', 'memory:', { ttlMs: '5' }, /ttlMs is "5"; it must be an integer/],
    ['a wrong value in the URL', 'memory:?ttlMs=x', undefined, /ttlMs in the URL must be an integer/],
    ['an unknown option in the URL', 'memory:?ttl=5', undefined, /the URL: unknown option "ttl"; did you mean ttlMs/],
    ['an option both in the URL and in code', 'memory:?ttlMs=5', { ttlMs: 5 }, /ttlMs is given twice, in the URL and in the options/],
    ['an option both in the configuration and beside it', { url: 'memory:', ttlMs: 5 }, { ttlMs: 5 }, /ttlMs is given twice/],
    ['a second URL', { url: 'memory:' }, { url: 'memory:' }, /url is given twice/],
    ['an empty URL', '', undefined, /the URL is empty/],
    ['a blank URL', { url: '  ' }, undefined, /the URL is empty/],
    ['a URL that is no string', { url: 5 }, undefined, /url is given; it must be a string/],
    ['a first argument that is nothing of the kind', 5, undefined, /must be a URL or a configuration object/],
    ['null', null, undefined, /must be a URL or a configuration object/],
    ['options that are no object', 'memory:', 'fencing', /options must be an object/],
    ['an unknown requirement', 'memory:', { require: ['fence'] }, /require must be an array of fencing, semaphores/],
    ['a requirement that is no list', 'memory:', { require: 'fencing' }, /require must be an array/],
    ['a name of a store that is none', 'memory:a/b', undefined, /what follows memory:/],
    ['no scheme', 'localhost', undefined, /does not begin with a scheme.*known are memory:, redis:/],
    ['a forgotten scheme', 'localhost:6379', undefined, /has no scheme; did you mean redis:\/\/localhost:6379\?/],
    ['a misspelled scheme', 'rediss+clutser://h', undefined, /did you mean rediss\+cluster:\?/],
    ['a scheme by another name', 'valkey://h', undefined, /did you mean redis:\?/],
    ['an unknown scheme', 'mongodb://u:SECRET@h', undefined, /unknown scheme "mongodb"; known are .*schemes: \{ acme:/],
    ['a scheme from Object', 'constructor:', undefined, /unknown scheme "constructor"/],
    ['schemes that are no table', 'memory:', { schemes: [] }, /schemes must be an object/],
    ['a scheme with a colon', 'memory:', { schemes: { 'acme:': () => acme } }, /the scheme "acme:" must be at most 31 lower-case letters/],
    ['a scheme that is no source', 'memory:', { schemes: { acme: 5 } }, /the scheme acme must be a function that imports a module/],
    ['code in a data: URL', 'memory:', { schemes: { acme: 'data:text/javascript,1' } }, /must name a package, a path or a file: URL/],
  ])('%s', async (_, first, second, message) => {
    const error = await failure('LOCK_INVALID_ARGUMENT', () => loosely(first, second));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^connect: /);
    expect(JSON.stringify(error)).not.toContain('SECRET');
  });
});

describe('connect with schemes of one’s own', () => {
  it('loads a module, gives it the rest of the URL and its own options', async () => {
    const locks = await open('ACME://h:1/x?tenant=t&ttlMs=500&shards=3', { schemes: { acme: () => acme }, password: 'p', label: 'me' });
    expect(locks.backend).toBe('acme');
    expect(seen).toMatchObject({ url: 'ACME://h:1/x', options: { tenant: 't', shards: 3, password: 'p' }, opened: 1, closed: 0 });
    expect(Object.keys(seen.options)).not.toContain('label');
    expect(await locks.withLock('a', () => 'done')).toBe('done');
    await locks.close();
    expect(seen.closed).toBe(1);
  });

  it('gives a module of the manager’s options those that it has rules for', async () => {
    const clock = { ...systemClock };
    const optionRules = { clock: rule.object };
    const { openBackend } = acme;
    const locks = await open('acme:', { schemes: { acme: () => ({ openBackend, optionRules }) }, clock, label: 'me' });
    expect(locks.clock).toBe(clock);
    expect(seen.options).toEqual({ clock });
    await open('acme:', { schemes: { acme: () => acme }, clock });
    expect(seen.options).not.toHaveProperty('clock');
  });

  it('loads a module by its name, which configuration files need', async () => {
    const module = new URL('../dist-test/test/acme-locks.js', import.meta.url).href;
    const locks = await open(JSON.parse(JSON.stringify({ url: 'acme+tls:', schemes: { 'acme+tls': module } })));
    expect(locks.backend).toBe('acme');
  });

  it('hands a module without optionRules everything as it is', async () => {
    const { openBackend } = acme;
    await open('acme://h?anything=1&b', { schemes: { acme: () => ({ openBackend }) }, something: { else: true } });
    expect(seen).toMatchObject({ url: 'acme://h?anything=1&b', options: { something: { else: true } } });
  });

  it('finds openBackend on the default export of a CommonJS module', async () => {
    const module = { default: { openBackend: acme.openBackend } } as unknown as typeof acme;
    expect((await open('acme:', { schemes: { acme: () => module } })).backend).toBe('acme');
  });

  it('prefers the user’s module for a scheme that is built in', async () => {
    expect((await open('redis://h', { schemes: { redis: () => acme } })).backend).toBe('acme');
  });

  it('checks options by the module’s rules, and shows no secret', async () => {
    const schemes = { acme: () => acme };
    expect((await failure('LOCK_INVALID_ARGUMENT', () => connect('acme:', { schemes, shard: 3 }))).message).toMatch(
      /did you mean shards\?/,
    );
    expect((await failure('LOCK_INVALID_ARGUMENT', () => connect('acme:', { schemes, shards: 65 }))).message).toMatch(/shards is 65/);
    const error = await failure('LOCK_INVALID_ARGUMENT', () => loosely('acme:', { schemes, password: ['SECRET'] }));
    expect(JSON.stringify(error)).not.toContain('SECRET');
    expect(seen.opened).toBe(0);
  });

  it.each([
    ['nothing', undefined, /returned a value of type undefined, not a backend/],
    ['null', null, /returned null, not a backend/],
    ['another contract', acmeBackend({ contract: 2 }), /contract 2; this version of holdfast knows contract 1 only/],
    ['no name', acmeBackend({ name: '' }), /name is not a non-empty string/],
    ['a missing function', acmeBackend({ renew: undefined }), /without a renew function/],
    ['a wait that is no function', acmeBackend({ wait: 5 }), /whose wait is not a function/],
    ['no capabilities', acmeBackend({ capabilities: undefined }), /without capabilities/],
    ['half of the capabilities', acmeBackend({ capabilities: { fencing: true } }), /capabilities\.semaphores is not true or false/],
  ])('refuses a module that returns %s', async (_, value, message) => {
    const openBackend = () => value as never;
    const error = await failure('LOCK_INVALID_ARGUMENT', () => connect('acme:', { schemes: { acme: () => ({ openBackend }) } }));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/the module of the scheme acme/);
  });

  it('refuses a module without openBackend', async () => {
    const error = await failure('LOCK_INVALID_ARGUMENT', () => connect('acme:', { schemes: { acme: () => ({}) as never } }));
    expect(error.message).toMatch(/exports no function openBackend\(url, options\)/);
  });

  it('says how to get a module that is missing, and that waiting does not help', async () => {
    const name: string = 'acme-locks-not-there';
    const importMissing = (): Promise<typeof acme> => import(name) as Promise<typeof acme>;
    for (const source of [name, importMissing]) {
      const error = await failure('LOCK_BACKEND_UNAVAILABLE', () => connect('acme:', { schemes: { acme: source } }));
      expect(error).toMatchObject({ retryable: false });
      expect(error.message).toMatch(/not found|failed to load/);
      expect(error.message).toMatch(/acme-locks-not-there/);
    }
    const error = await failure('LOCK_BACKEND_UNAVAILABLE', () => connect('acme:', { schemes: { acme: 'acme-locks-not-there' } }));
    expect(error.message).toMatch(/npm install acme-locks-not-there/);
  });

  it('says what a module failed with while it loaded', async () => {
    const broken = () => Promise.reject(new Error('no native binding'));
    const error = await failure('LOCK_BACKEND_UNAVAILABLE', () => connect('acme:', { schemes: { acme: broken } }));
    expect(error.message).toMatch(/failed to load: no native binding/);
  });

  it('shows nothing secret of what a module throws', async () => {
    const openBackend = (url: string): never => {
      throw Object.assign(new TypeError(`Invalid URL ${url}, password SECRET`), { input: url });
    };
    const error = await failure('LOCK_BACKEND_UNAVAILABLE', () =>
      connect('acme://u:SECRET@h', { schemes: { acme: () => ({ openBackend }) } }),
    );
    expect(error.message).toBe('connect: acme://***@h: Invalid URL acme://***@h, password ***');
    expect(error.cause).toBeUndefined();
    const refused = (url: string): never => {
      throw new LockArgumentError(`acme: the password SECRET in ${url} is too short`, { option: 'url' });
    };
    const argument = await failure('LOCK_INVALID_ARGUMENT', () =>
      connect('acme://u:SECRET@h', { schemes: { acme: () => ({ openBackend: refused }) } }),
    );
    expect(argument).toMatchObject({ option: 'url', message: 'acme: the password *** in acme://***@h is too short' });
  });

  it('leaves our own words as they are, whatever the password is', async () => {
    const checkHealth = (): never => {
      throw new Error('acme failed: acme backend');
    };
    const acmes = { acme: () => ({ openBackend: () => acmeBackend({ checkHealth }) }) };
    const error = await failure('LOCK_BACKEND_UNAVAILABLE', () => connect('acme://u:acme@h', { schemes: acmes }));
    expect(error.message).toBe('connect: acme://***@h: the acme backend failed: *** failed: *** backend');
    const reserved = await reservePort();
    for (const secret of ['redis', 'connection', 'failed', 'server', 'the']) {
      // oxlint-disable-next-line no-await-in-loop
      const dead = await failure('LOCK_BACKEND_UNAVAILABLE', () => connect(`redis://${secret}:${secret}@127.0.0.1:${reserved.port}`));
      expect(dead.message).toMatch(
        /^connect: redis:\/\/\*\*\*@127\.0\.0\.1:\d+: the connection failed \(ECONNREFUSED\); see whether the server runs/,
      );
    }
    reserved.release();
  });
});

describe('a URL of any length', () => {
  const secret = 'SECRET'.repeat(8000);

  it.each([
    ['is refused above 64 Ki', `redis://:${secret.repeat(2)}@h`, /^connect: the URL is \d+ long; it must be at most 65536$/],
    ['is refused without a scheme', `${secret}:x`, /does not begin with a scheme/],
    ['is refused without a scheme, with a user', `SECRET:x@h:1`, /does not begin with a scheme/],
    ['is refused with a long host for a scheme', `${secret}:6379`, /does not begin with a scheme/],
    ['is refused with something else behind its ?', `redis://h?${secret}`, /something behind its \? that is no option/],
    ['is refused with the rest of a password behind its ?', `redis://:a?SECRET`, /something behind its \? that is no option/],
    ['is refused with an @ behind its ?', `redis://:a?${secret}@h`, /has an @ after a \? or #/],
    ['is refused as the name of a store', `memory:${secret}`, /what follows memory:/],
  ])('%s, and never quoted', async (_, url, message) => {
    const error = await failure('LOCK_INVALID_ARGUMENT', () => connect(url));
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/SECRET/i);
    expect(error.message.length).toBeLessThan(500);
  });

  it('is not quoted by what goes wrong with it either', async () => {
    const openBackend = (url: string): never => {
      throw new Error(`no such thing: ${url}, ${secret}`);
    };
    const error = await failure('LOCK_BACKEND_UNAVAILABLE', () =>
      connect(`acme://u:${secret}@h`, { schemes: { acme: () => ({ openBackend }) } }),
    );
    expect(error.message).toBe('connect: acme://***@h: no such thing: acme://***@h, ***');
    const reserved = await reservePort();
    const dead = await failure('LOCK_BACKEND_UNAVAILABLE', () => connect(`redis://u:${secret}@127.0.0.1:${reserved.port}`));
    expect(dead.message).not.toContain('SECRET');
    reserved.release();
  });
});

describe('connect leaves nothing open', () => {
  const schemes = (parts: Readonly<Record<string, unknown>>) => ({ acme: () => ({ openBackend: () => acmeBackend(parts) }) });
  const { capabilities } = acmeBackend({});

  it('when the backend cannot do what is required', async () => {
    const without = { ...capabilities, fencing: false };
    const error = await failure('LOCK_UNSUPPORTED', () =>
      connect('acme://u:SECRET@h', { schemes: schemes({ capabilities: without }), require: ['fencing'] }),
    );
    expect(error).toMatchObject({ capability: 'fencing', backend: 'acme' });
    expect(error.message).toMatch(/fencing is required and the backend acme \(acme:\/\/\*\*\*@h\) has none/);
    expect(seen.closed).toBe(1);
  });

  it('when the store does not answer', async () => {
    const attempt = () => Promise.reject(new LockUnavailableError('acme: connection refused', { backend: 'acme' }));
    const error = await failure('LOCK_BACKEND_UNAVAILABLE', () => connect('acme://u:SECRET@h', { schemes: schemes({ attempt }) }));
    expect(error).toMatchObject({ retryable: true, backend: 'acme' });
    expect(error.message).toMatch(/^connect: acme:\/\/\*\*\*@h: .*connection refused/);
    expect(seen.closed).toBe(1);
  });

  it('at once when nobody listens, however long a command may take', async () => {
    const port = await reservePort();
    onTestFinished(() => port.release());
    const start = performance.now();
    await failure('LOCK_BACKEND_UNAVAILABLE', () => connect(`redis://127.0.0.1:${port.port}`, { commandTimeoutMs: 20_000 }));
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('when the backend finds its configuration wrong', async () => {
    const checkHealth = () => Promise.reject(new LockUnavailableError('acme: evicts keys', { backend: 'acme', retryable: false }));
    expect(await failure('LOCK_BACKEND_UNAVAILABLE', () => connect('acme:', { schemes: schemes({ checkHealth }) }))).toMatchObject({
      retryable: false,
    });
    expect(seen.closed).toBe(1);
  });

  it('when closing fails as well', async () => {
    const close = () => Promise.reject(new Error('cannot close'));
    const error = await failure('LOCK_UNSUPPORTED', () =>
      connect('acme:', { schemes: schemes({ close, capabilities: { ...capabilities, marks: false } }), require: ['fencing', 'marks'] }),
    );
    expect(error).toMatchObject({ capability: 'marks' });
  });
});
