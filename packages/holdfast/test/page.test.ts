import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server, type IncomingHttpHeaders } from 'node:http2';
import { once } from 'node:events';
import { type AddressInfo, connect as connectSocket } from 'node:net';
import { createLockManager, type LockManager, type LockState } from '@holdfast/core';
import { createMemoryBackend, createMemoryStore, type MemoryStore } from '@holdfast/core/memory';
import { createManualClock } from '@holdfast/core/testing';
import { until } from '@holdfast/test/servers';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { createLockPage, type LockPage, type LockPageOptions, toNodeListener } from 'holdfast/page';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';

const HERE = 'http://localhost:7080';
const { stringify } = JSON;

let store: MemoryStore;
let manager: LockManager;
const pages: LockPage[] = [];

beforeEach(() => {
  store = createMemoryStore();
  manager = createLockManager(createMemoryBackend({ store }), { label: 'worker' });
});
afterEach(async () => {
  for (const page of pages.splice(0)) page.close();
  await manager.close();
});

function pageOf(options?: LockPageOptions): LockPage {
  const page = createLockPage(manager, options);
  pages.push(page);
  return page;
}

/** The manager with something else in the place of what it has. */
function instead(real: LockManager, other: Partial<LockManager>): LockManager {
  return new Proxy(real, {
    get(target, key) {
      if (key in other) return other[key as keyof LockManager];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (...args: readonly unknown[]): unknown => Reflect.apply(value, target, args) : value;
    },
  });
}

function ask(page: LockPage, path: string, { method = 'GET', ...headers }: Record<string, string> = {}): Promise<Response> {
  return page(new Request(`${HERE}${path}`, { method, headers: { host: 'localhost:7080', ...headers } }));
}

interface Shown {
  readonly total: number;
  readonly fitting: number;
  readonly from: number;
  readonly rows: readonly { readonly name: string; readonly label: string | null; readonly waiters: number | null }[];
  readonly problem: string | null;
  readonly notes: readonly string[];
  readonly own: {
    readonly losses: readonly { readonly name: string; readonly reason: string }[];
    readonly waits: readonly { readonly count: number }[];
  };
}

/** Reads events until one fits. */
async function shown(page: LockPage, path: string, fits: (shown: Shown) => boolean = () => true): Promise<Shown> {
  const response = await ask(page, path);
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) throw new Error(`the stream has ended: ${text}`);
    text += value;
    for (const event of text.split('\n\n')) {
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (data === undefined) continue;
      const message = JSON.parse(data) as Shown;
      if (!fits(message)) continue;
      await reader?.cancel();
      return message;
    }
  }
}

async function tokenOf(page: LockPage): Promise<string | null> {
  const html = await (await ask(page, '/')).text();
  const settings = /<meta name="holdfast" content="([^"]*)"/.exec(html)?.[1]?.replaceAll('&quot;', '"') ?? '';
  return (JSON.parse(settings) as { readonly token: string | null }).token;
}

describe('the page', () => {
  it('is one file with a policy that lets in nothing else, and nothing is kept of it', async () => {
    const response = await ask(pageOf(), '/');
    expect(response.status).toBe(200);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[\w+/=]{44}'; style-src 'sha256-[\w+/=]{44}'; connect-src 'self';/);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    const html = await response.text();
    expect(html).not.toMatch(/<(?:script|link|img|iframe)[^>]* (?:src|href)=|\son\w+=|innerHTML|\{\{/);
  });

  it('shows what is held, arranged as it is asked', async () => {
    const held = await manager.acquire('orders:1');
    await manager.acquire('orders:2', { label: 'other' });
    await manager.semaphore('pool', { permits: 3 }).acquire({ permits: 2 });
    const waiting = manager.acquire('orders:1');
    const page = pageOf({ everyMs: 100 });
    const first = await shown(page, '/events?sort=waiting', ({ rows }) => rows[0]?.waiters === 1);
    expect(first).toMatchObject({ total: 3, fitting: 3, problem: null, notes: [] });
    expect(first.rows.map(({ name }) => name)).toEqual(['orders:1', 'orders:2', 'pool']);
    expect((await shown(page, '/events?filter=OTHER')).rows).toMatchObject([{ name: 'orders:2' }]);
    expect((await shown(page, '/events?kind=semaphore')).rows).toMatchObject([{ name: 'pool' }]);
    expect(await shown(page, '/events?limit=2&from=2')).toMatchObject({ from: 2, rows: [{ name: 'pool' }] });
    await held.release();
    await (await waiting).release();
  });

  it('shows one lock by itself, tokens as digits', async () => {
    const { fencingToken } = await manager.acquire('a b&c');
    const response = await ask(pageOf(), '/lock?name=a%20b%26c&kind=lock');
    expect(await response.json()).toMatchObject({ held: true, holders: [{ label: 'worker', fencingToken: String(fencingToken) }] });
  });

  it('shows of its own process, and of its own manager, what was lost and how long waits took', async () => {
    const other = createLockManager(createMemoryBackend({ store }));
    const page = pageOf();
    await manager.acquire('a');
    await other.forceRelease('a');
    await manager.forceRelease('a');
    const mine = await manager.acquire('b');
    await other.acquire('c');
    await other.forceRelease('c');
    await manager.acquire('b', { waitMs: 20 }).catch(() => null);
    await mine.release();
    await manager.acquire('d');
    await manager.forceRelease('d');
    const { own } = await shown(page, '/events', ({ own: { losses } }) => losses.length > 0);
    expect(own.losses.map(({ name, reason }) => [name, reason])).toEqual([['d', 'forced']]);
    expect(own.waits.reduce((sum, { count }) => sum + count, 0)).toBe(1);
    await other.close();
  });

  it('says why it shows nothing new, in our own words', async () => {
    const page = pageOf({ everyMs: 100 });
    await manager.close();
    expect((await shown(page, '/events')).problem).toMatch(/\(LOCK_CLOSED\)$/);
    expect((await ask(page, '/lock?name=a&kind=lock')).status).toBe(503);
  });

  it.each([
    '/events?sort=size',
    '/events?limit=0',
    '/events?limit=501',
    '/events?from=-1',
    '/events?kind=mutex',
    `/events?filter=${'x'.repeat(513)}`,
    '/lock?name=a',
    '/lock?name=&kind=lock',
  ])('refuses %s', async (path) => {
    expect((await ask(pageOf(), path)).status).toBe(400);
  });

  it('answers nothing but its own addresses and methods', async () => {
    const page = pageOf({ path: '/locks' });
    expect((await ask(page, '/locks/')).status).toBe(200);
    const redirect = await ask(page, '/locks');
    expect([redirect.status, redirect.headers.get('location')]).toEqual([308, '/locks/']);
    for (const path of ['/', '/other', '/locks/x', '/locksmith/', '/locks/events/x']) expect((await ask(page, path)).status).toBe(404);
    for (const path of ['/locks/', '/locks/events', '/locks/lock?name=a&kind=lock']) {
      expect((await ask(page, path, { method: 'POST', origin: HERE })).status).toBe(405);
    }
    expect((await ask(page, '/locks/release?name=a&kind=lock')).status).toBe(405);
    // Of what nobody reads nothing is opened.
    expect((await ask(page, '/locks/events', { method: 'HEAD' })).status).toBe(405);
  });
});

describe('who is answered', () => {
  it.each([
    'localhost',
    'localhost:1',
    'LOCALHOST:7080',
    'localhost.',
    '127.0.0.1:9',
    '[::1]:7080',
    'locks.example.com',
    'locks.example.com:444',
    'exact.example.com:81',
  ])('a browser that asks for %s', async (host) => {
    const page = pageOf({ hosts: ['locks.Example.com', 'exact.example.com:81'] });
    expect((await ask(page, '/', { host })).status).toBe(200);
  });

  it.each([
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '[::2]',
    'exact.example.com',
    'xlocks.example.com',
    '127.0.0.2',
    '',
  ])('and not one that asks for %j, whatever it asks for', async (host) => {
    const page = pageOf({ hosts: ['locks.example.com', 'exact.example.com:81'], allowRelease: true });
    await manager.acquire('a');
    for (const path of ['/', '/events', '/lock?name=a&kind=lock']) expect((await ask(page, path, { host })).status).toBe(421);
    const token = (await tokenOf(page)) ?? '';
    const release = await ask(page, '/release?name=a&kind=lock', {
      method: 'POST',
      host,
      origin: `http://${host}`,
      'x-holdfast-token': token,
    });
    expect(release.status).toBe(421);
    expect((await manager.inspect('a')).held).toBe(true);
  });

  it.each(['http://evil.example', 'null', 'http://localhost:7081', 'https://localhost', 'nonsense'])(
    'and not a script of %s',
    async (origin) => {
      const page = pageOf({ allowRelease: true });
      const token = (await tokenOf(page)) ?? '';
      for (const path of ['/events', '/lock?name=a&kind=lock']) expect((await ask(page, path, { origin })).status).toBe(403);
      expect((await ask(page, '/release?name=a&kind=lock', { method: 'POST', origin, 'x-holdfast-token': token })).status).toBe(403);
    },
  );

  it.each(['cross-site', 'same-site'])('and not what a browser says to be %s, but for a link to the page', async (site) => {
    const page = pageOf();
    expect((await ask(page, '/events', { 'sec-fetch-site': site })).status).toBe(403);
    expect((await ask(page, '/lock?name=a&kind=lock', { 'sec-fetch-site': site })).status).toBe(403);
    expect((await ask(page, '/', { 'sec-fetch-site': site })).status).toBe(200);
  });
});

describe('taking a lock away', () => {
  const release = (page: LockPage, headers: Record<string, string>): Promise<Response> =>
    ask(page, '/release?name=a&kind=lock', { method: 'POST', ...headers });

  it('is refused where it is not allowed, and the page knows no token then', async () => {
    const page = pageOf();
    await manager.acquire('a');
    expect(await tokenOf(page)).toBeNull();
    expect((await release(page, { origin: HERE, 'x-holdfast-token': '' })).status).toBe(403);
    expect((await manager.inspect('a')).held).toBe(true);
  });

  it('needs the page’s own token and origin', async () => {
    const page = pageOf({ allowRelease: true });
    const other = pageOf({ allowRelease: true });
    await manager.acquire('a');
    const token = (await tokenOf(page)) ?? '';
    expect(token).toMatch(/^[0-9a-f]{32}$/);
    for (const headers of [
      { 'x-holdfast-token': token },
      { origin: HERE },
      { origin: HERE, 'x-holdfast-token': `${token}0` },
      { origin: HERE, 'x-holdfast-token': (await tokenOf(other)) ?? '' },
    ]) {
      expect((await release(page, headers as Record<string, string>)).status).toBe(403);
    }
    expect((await manager.inspect('a')).held).toBe(true);
    const answer = await release(page, { origin: HERE, 'x-holdfast-token': token });
    expect([answer.status, await answer.json()]).toEqual([200, { freed: true }]);
    expect((await manager.inspect('a')).held).toBe(false);
    // Behind a proxy that ends TLS.
    expect((await release(page, { origin: HERE.replace('http:', 'https:'), 'x-holdfast-token': token })).status).toBe(200);
  });

  it('and looking reach no further than what the page shows', async () => {
    const page = pageOf({ prefix: 'mine:', names: ['given'], allowRelease: true });
    const token = (await tokenOf(page)) ?? '';
    await manager.acquire('theirs');
    const post = (name: string): Promise<Response> =>
      ask(page, `/release?name=${name}&kind=lock`, { method: 'POST', origin: HERE, 'x-holdfast-token': token });
    expect((await post('theirs')).status).toBe(404);
    expect((await ask(page, '/lock?name=theirs&kind=lock')).status).toBe(404);
    expect((await manager.inspect('theirs')).held).toBe(true);
    expect((await post('mine:1')).status).toBe(200);
    expect((await post('given')).status).toBe(200);
  });

  it('and looking refuse a name whose bytes are not UTF-8: all such bytes would be the same character', async () => {
    const page = pageOf({ allowRelease: true });
    const token = (await tokenOf(page)) ?? '';
    await manager.acquire('caf\uFFFD');
    const post = (name: string): Promise<Response> =>
      ask(page, `/release?name=${name}&kind=lock`, { method: 'POST', origin: HERE, 'x-holdfast-token': token });
    expect((await post('caf%E9')).status).toBe(400);
    expect((await ask(page, '/lock?name=caf%E9&kind=lock')).status).toBe(400);
    expect((await manager.inspect('caf\uFFFD')).held).toBe(true);
    expect(await (await post(encodeURIComponent('caf\uFFFD'))).json()).toEqual({ freed: true });
  });
});

describe('a store that cannot list', () => {
  it('is shown by the names that are given, and the page says so', async () => {
    const blind = instead(manager, { capabilities: { ...manager.capabilities, list: false } });
    await manager.acquire('a');
    using page = createLockPage(blind, { names: ['a', 'b'] });
    const seen = await shown(page, '/events');
    expect(seen.rows.map(({ name, label }) => [name, label])).toEqual([
      ['a', 'worker'],
      ['b', null],
    ]);
    expect(seen.notes).toEqual(['memory cannot list what is held: only the names that were given are shown.']);
  });
});

describe('more than anybody can look at', () => {
  it('is cut off, without a look at the rest, and the page says so', async () => {
    let given = 0;
    const holder = { label: null, mode: 'exclusive', permits: 1, remainingMs: 1, fencingToken: null } as const;
    async function* list(): AsyncIterable<LockState> {
      for (; given < 100_000; given += 1) yield { name: `n${given}`, kind: 'lock', held: true, holders: [holder], waiters: 0 };
    }
    using page = createLockPage(instead(manager, { list }));
    const seen = await shown(page, '/events?limit=10');
    expect(seen).toMatchObject({ total: 20_000, fitting: 20_000, notes: ['More than 20000 names are held; only so many are shown.'] });
    expect(seen.rows).toHaveLength(10);
    expect(given).toBeLessThan(20_010);
  });
});

describe('many who watch', () => {
  it('have what they ask for put together once a look where they ask for the same, and are served one by one, other work between', async () => {
    const order: string[] = [];
    const put = vi.spyOn(JSON, 'stringify').mockImplementation((value: object) => {
      if ('changesPerSecond' in value) {
        order.push('put together');
        setImmediate(() => order.push('other work'));
      }
      return stringify(value);
    });
    const page = pageOf({ everyMs: 60_000 });
    const questions = ['/events', '/events', '/events?filter=a', '/events?sort=held', '/events'];
    const streams = await Promise.all(questions.map((question) => ask(page, question)));
    const readers = streams.map(({ body }) => body?.getReader());
    for (const reader of readers) {
      await reader?.read();
      await reader?.read();
    }
    put.mockRestore();
    expect(order.join()).toBe('put together,other work,put together,other work,put together,other work');
    for (const reader of readers) await reader?.cancel();
  });
});

describe('mounted', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
    server?.closeAllConnections();
  });

  async function listen(made: Server): Promise<string> {
    server = made.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function works(address: string): Promise<void> {
    await manager.acquire('a');
    const page = await fetch(`${address}/locks/`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const token = /&quot;token&quot;:&quot;(\w+)&quot;/.exec(await page.text())?.[1] ?? '';
    const events = await fetch(`${address}/locks/events`);
    const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('"name":"a"')) text += (await reader?.read())?.value ?? '';
    await reader?.cancel();
    expect(await (await fetch(`${address}/locks/lock?name=a&kind=lock`)).json()).toMatchObject({ held: true });
    const headers = { origin: address, 'x-holdfast-token': token };
    expect(await (await fetch(`${address}/locks/release?name=a&kind=lock`, { method: 'POST', headers })).json()).toEqual({ freed: true });
  }

  it('in node:http', async () => {
    await works(await listen(createServer(toNodeListener(pageOf({ path: '/locks', allowRelease: true })))));
  });

  it('in node:http2, where another header says which host is asked for', async () => {
    const listener = toNodeListener(pageOf({ path: '/locks', hosts: ['locks.example.com'], allowRelease: true }));
    const http2 = createHttp2Server((request, response) => {
      listener(request as unknown as IncomingMessage, response as unknown as ServerResponse);
    }).listen(0, '127.0.0.1');
    await once(http2, 'listening');
    const session = connectHttp2(`http://127.0.0.1:${(http2.address() as AddressInfo).port}`);
    onTestFinished(() => {
      session.destroy();
      http2.close();
    });
    const statusOf = async (headers: OutgoingHttpHeaders): Promise<unknown> => {
      const stream = session.request({ ':path': '/locks/lock?name=a&kind=lock', ...headers });
      const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders];
      stream.close();
      return answer[':status'];
    };
    const own = { ':authority': 'locks.example.com' };
    expect(await statusOf(own)).toBe(200);
    expect(await statusOf({ ...own, origin: 'https://locks.example.com' })).toBe(200);
    expect(await statusOf({ ...own, origin: 'https://evil.example' })).toBe(403);
    expect(await statusOf({ ':authority': 'evil.example' })).toBe(421);
    expect(await statusOf({ ':authority': 'evil.example', host: 'localhost' })).toBe(421);
  });

  it('in Express, behind what reads bodies', async () => {
    const app = express().use(express.json());
    app.use('/locks', toNodeListener(pageOf({ path: '/locks', allowRelease: true })));
    await works(await listen(createServer(app)));
  });

  it('in Fastify', async () => {
    const app = fastify();
    const listener = toNodeListener(pageOf({ path: '/locks', allowRelease: true }));
    app.all('/locks/*', ({ raw }, reply) => {
      listener(raw, reply.hijack().raw);
    });
    await works(await app.listen({ port: 0, host: '127.0.0.1' }));
    await app.close();
  });

  it('in Hono', async () => {
    const page = pageOf({ path: '/locks', allowRelease: true });
    const app = new Hono().all('/locks/*', (context) => page(context.req.raw));
    await works(await listen(createServer(toNodeListener(async (request) => app.fetch(request)))));
  });

  it('looks at the store only while somebody watches, and once for all of them', async () => {
    let looks = 0;
    const list: LockManager['list'] = (options) => {
      looks += 1;
      return manager.list(options);
    };
    const counted = instead(manager, { list });
    const clock = createManualClock();
    using page = createLockPage(counted, { everyMs: 100, clock });
    const watchers = await Promise.all(Array.from({ length: 20 }, () => ask(page, '/events')));
    const passes = async (): Promise<void> => {
      await clock.advance(100);
      // A look reads what is held, and then asks for its next time.
      await new Promise((resolve) => setImmediate(resolve));
    };
    await until('three looks', async () => {
      const before = looks;
      await passes();
      expect(looks).toBeLessThanOrEqual(before + 1);
      return looks >= 3;
    });
    for (const { body } of watchers) await body?.cancel();
    const before = looks;
    for (let times = 0; times < 50; times += 1) await passes();
    expect(looks).toBe(before);
  });

  it('keeps no more than one message for a client that never reads, and lets it go when it leaves', async () => {
    await manager.tryAcquireEach(Array.from({ length: 500 }, (_, index) => `${'x'.repeat(400)}${index}`));
    let pending = 0;
    const page = pageOf({ everyMs: 100 });
    const address = await listen(
      createServer(
        toNodeListener(async (request) => {
          const response = await page(request);
          pending += 1;
          request.signal.addEventListener('abort', () => (pending -= 1));
          return response;
        }),
      ),
    );
    const socket = connectSocket(Number(new URL(address).port), '127.0.0.1');
    socket.pause();
    socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until('it is served', () => pending === 1);
    // Others are served beside it.
    for (let times = 0; times < 5; times += 1) await shown(page, '/events');
    const [connection] = await new Promise<readonly number[]>((resolve) => server?.getConnections((_, count) => resolve([count])));
    expect(connection).toBe(1);
    socket.destroy();
    await until('it has gone', () => pending === 0);
  });

  it.each(['reads nothing for a minute', 'reads nothing, when the page is closed'])(
    'keeps neither stream nor connection of a client that %s',
    async (when) => {
      await manager.tryAcquireEach(Array.from({ length: 500 }, (_, index) => `${'x'.repeat(400)}${index}`));
      const clock = createManualClock();
      const page = pageOf({ everyMs: 1_000, clock });
      let answer: ServerResponse | undefined;
      const address = await listen(
        createServer((request, response) => {
          answer = response;
          toNodeListener(page)(request, response);
        }),
      );
      const socket = connectSocket(Number(new URL(address).port), '127.0.0.1');
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => {});
      socket.pause();
      socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
      // The system's own buffers between the two hold some megabytes.
      let full = 0;
      await until('nothing more can be written', async () => {
        await clock.advance(1_000);
        full = answer?.writableNeedDrain === true ? full + 1 : 0;
        return full === 10;
      });
      expect(answer?.destroyed).toBe(false);
      if (when.includes('closed')) page.close();
      await until('it is given up', async () => {
        await clock.advance(20_000);
        return answer?.writableEnded === true || answer?.destroyed === true;
      });
    },
  );

  it('serves a hundred at a time and no more', async () => {
    const page = pageOf();
    const open = await Promise.all(Array.from({ length: 100 }, () => ask(page, '/events')));
    expect((await ask(page, '/events')).status).toBe(503);
    await open[0]?.body?.cancel();
    expect((await ask(page, '/events')).status).toBe(200);
  });
});

describe('options', () => {
  it.each([
    ['path', { path: 'locks' }],
    ['path', { path: '/a"b' }],
    ['prefix', { prefix: 1 }],
    ['names', { names: 'a' }],
    ['everyMs', { everyMs: 50 }],
    ['hosts', { hosts: ['http://a'] }],
    ['allowRelease', { allowRelease: 'yes' }],
    ['clock', { clock: {} }],
    ['alowRelease', { alowRelease: true }],
  ])('are checked: %s', (option, options) => {
    expect(() => createLockPage(manager, options as LockPageOptions)).toThrow(
      expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option }),
    );
  });

  it('and so is the manager', () => {
    expect(() => createLockPage({} as LockManager)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }));
  });
});
