import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { isLockError, type LockManager } from '@holdfast/core';
import { createMemoryLockManager, createMemoryStore } from '@holdfast/core/memory';
import { holdfastPlugin, type HoldfastPluginOptions } from '@holdfast/fastify';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';

const opened: (FastifyInstance | LockManager)[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
});

function server(options?: HoldfastPluginOptions): FastifyInstance {
  const app = fastify();
  opened.push(app);
  if (options !== undefined) app.register(holdfastPlugin, options);
  return app;
}

function locks(store = createMemoryStore()): LockManager {
  const manager = createMemoryLockManager({ store });
  opened.push(manager);
  return manager;
}

async function isClosed(manager: LockManager): Promise<boolean> {
  const error: unknown = await manager.inspect('x').catch((reason: unknown) => reason);
  return isLockError(error, 'LOCK_CLOSED');
}

/** Over a connection of its own, which does not stay open. */
async function bodyOf(url: string): Promise<string> {
  const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage];
  return await text(response);
}

/** What the server says of itself instead of being ready. */
async function refusal(app: FastifyInstance): Promise<unknown> {
  return await app.ready().then(
    () => expect.fail('it is ready'),
    (error: unknown) => error,
  );
}

describe('the plugin', () => {
  it('gives the server and its requests a manager, over all levels of plugins', async () => {
    const manager = locks();
    const app = server({ manager });
    app.get('/server', () => app.locks.withLock('x', (lease) => lease.name));
    app.register((child, _, done) => {
      child.get('/child', (request) => request.locks.withLock('y', (lease) => lease.name));
      done();
    });
    expect((await app.inject('/server')).body).toBe('x');
    expect((await app.inject('/child')).body).toBe('y');
    expect(app.locks).toBe(manager);
  });

  it('keeps two requests of one name apart', async () => {
    const app = server({ manager: locks() });
    let inside = 0;
    let most = 0;
    app.get('/', (request) =>
      request.locks.withLock('one', async () => {
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setImmediate(resolve));
        inside -= 1;
        return 'done';
      }),
    );
    const answers = await Promise.all(Array.from({ length: 5 }, () => app.inject('/')));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200, 200]);
    expect(most).toBe(1);
  });

  it('closes a manager that it has made, behind the last request, and gives holders their time', async () => {
    const store = createMemoryStore();
    const app = server({ manager: async () => locks(store), drainMs: 5_000 });
    let finish!: () => void;
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let begun!: () => void;
    const beginning = new Promise<void>((resolve) => {
      begun = resolve;
    });
    let background: Promise<string> | undefined;
    app.get('/', (request) => {
      background = request.locks.withLock('x', async () => {
        begun();
        await finished;
        return 'finished';
      });
      return 'accepted';
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    expect((await app.inject('/')).body).toBe('accepted');
    await beginning;
    const closed = app.close();
    finish();
    await closed;
    expect(await background).toBe('finished');
    expect(await isClosed(app.locks)).toBe(true);
    expect(await (await locks(store).tryAcquire('x'))?.release()).toBe(true);
  });

  it('serves a request that was under way when the server began to close', async () => {
    const app = server({ manager: () => locks() });
    let begun!: () => void;
    const beginning = new Promise<void>((resolve) => {
      begun = resolve;
    });
    // The server accepts nothing more from here on.
    const closing = new Promise<void>((resolve) => {
      app.addHook('preClose', async () => resolve());
    });
    app.get('/', async (request) => {
      begun();
      await closing;
      return await request.locks.withLock('x', () => 'served');
    });
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const answer = bodyOf(url);
    await beginning;
    const closed = app.close();
    expect(await answer).toBe('served');
    await closed;
    expect(await isClosed(app.locks)).toBe(true);
  });

  it('leaves a manager that it was handed to its maker, unless the options say otherwise', async () => {
    const [mine, given] = [locks(), locks()];
    const app = server({ manager: mine });
    const other = server({ manager: given, close: true });
    await Promise.all([app.ready(), other.ready()]);
    await Promise.all([app.close(), other.close()]);
    expect(await isClosed(mine)).toBe(false);
    expect(await isClosed(given)).toBe(true);
  });

  it.each<[string, object]>([
    ['no manager', {}],
    ['something else', { manager: { url: 'redis://localhost' } }],
    ['a function that gives none', { manager: () => null }],
    ['a promise of a manager', { manager: Promise.resolve() }],
    ['a function that gives something else', { manager: () => ({ close() {}, withLock() {} }) }],
    ['a drain without a unit', { manager: () => locks(), drainMs: '5s' }],
    ['an option that it does not know', { manager: () => locks(), drainMS: 5_000 }],
  ])('is refused with LOCK_INVALID_ARGUMENT for %s', async (_, options) => {
    const app = server();
    app.register(holdfastPlugin, options as unknown as HoldfastPluginOptions);
    expect(await refusal(app)).toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
  });

  it('reports what the function throws, and stands beside options of Fastify itself', async () => {
    const app = server();
    app.register(holdfastPlugin, { manager: () => Promise.reject(new Error('no store')), prefix: '/api' } as HoldfastPluginOptions);
    expect(await refusal(app)).toMatchObject({ message: 'no store' });
  });

  it('serves two servers of one process, and two parts of one server, each with its own manager', async () => {
    const names = async (app: FastifyInstance): Promise<string> => (await app.inject('/')).body;
    const apps = [locks(), locks()].map((manager) => {
      const app = server({ manager });
      app.get('/', (request) => request.locks.id);
      return { app, manager };
    });
    for (const { app, manager } of apps) expect(await names(app)).toBe(manager.id);
    const app = server();
    const parts = [locks(), locks()];
    for (const [index, manager] of parts.entries()) {
      app.register(async (part) => {
        await part.register(holdfastPlugin, { manager });
        part.get(`/${index}`, (request) => `${request.locks.id} ${part.locks.id}`);
      });
    }
    for (const [index, { id }] of parts.entries()) expect((await app.inject(`/${index}`)).body).toBe(`${id} ${id}`);
    expect(app.hasDecorator('locks')).toBe(false);
  });

  it('closes what a second registration has made, too', async () => {
    const made = [locks(), locks()];
    const app = fastify();
    for (const manager of made) app.register(holdfastPlugin, { manager: () => manager });
    expect(await refusal(app)).toMatchObject({ code: 'FST_ERR_DEC_ALREADY_PRESENT' });
    await app.close();
    expect(await Promise.all(made.map((manager) => isClosed(manager)))).toEqual([true, true]);
  });

  it('is refused by Fastify itself when it is registered twice', async () => {
    const app = server({ manager: locks() });
    app.register(holdfastPlugin, { manager: locks() });
    expect(await refusal(app)).toMatchObject({ code: 'FST_ERR_DEC_ALREADY_PRESENT' });
  });

  it('lets a closed manager say so, and the server answer', async () => {
    const manager = locks();
    const app = server({ manager });
    app.get('/', (request) => request.locks.withLock('x', () => 'never'));
    await manager.close();
    expect((await app.inject('/')).json()).toMatchObject({ statusCode: 500, code: 'LOCK_CLOSED' });
  });
});
