import 'reflect-metadata';
import { isLockError, type LockManager } from '@holdfast/core';
import { createMemoryLockManager, createMemoryStore, type MemoryStore } from '@holdfast/core/memory';
import type { JobLockManager } from '@holdfast/jobs';
import {
  heldLease,
  JOB_LOCKS,
  LOCK_MANAGER,
  LockHealthIndicator,
  LockModule,
  type LockModuleOptions,
  RunOnce,
  WithLock,
} from '@holdfast/nestjs';
import { type INestApplicationContext, Injectable, Module, type ModuleMetadata, SetMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

@Injectable()
class Invoices {
  inside = 0;
  most = 0;

  @WithLock((id: string) => `invoice:${id}`)
  async bill(id: string, amount: number): Promise<string> {
    this.inside += 1;
    this.most = Math.max(this.most, this.inside);
    await new Promise((resolve) => setImmediate(resolve));
    this.inside -= 1;
    return `${id} ${amount} ${heldLease()?.name}`;
  }

  @WithLock('ledger', { waitMs: 0 })
  async ledger(task: () => unknown): Promise<unknown> {
    return task();
  }

  @WithLock(() => {
    throw new Error('no key');
  })
  async withoutKey(): Promise<string> {
    return 'never';
  }

  @WithLock((id: string) => id)
  async anyKey(_id: string): Promise<string> {
    return 'called';
  }

  @WithLock('a')
  @SetMetadata('below', 1)
  async below(): Promise<string> {
    return 'below';
  }
}

const NEVER = '0 0 0 1 1 *';

@Injectable()
class Reports {
  runs = 0;

  @Cron(NEVER, { name: 'above' })
  @RunOnce('above', { windowMs: 60_000 })
  async cronAbove(): Promise<string> {
    this.runs += 1;
    return `ran under ${heldLease()?.name}`;
  }

  @RunOnce('below', { windowMs: 60_000 })
  @Cron(NEVER, { name: 'below' })
  async nightly(): Promise<string> {
    this.runs += 1;
    return 'ran';
  }

  @RunOnce((day: string) => `of ${day}`, { windowMs: 60_000 })
  async daily(day: string): Promise<string> {
    this.runs += 1;
    return day;
  }
}

let store: MemoryStore;
const opened: { close(): Promise<void> }[] = [];

beforeEach(() => {
  store = createMemoryStore();
});
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

function locks(): LockManager {
  const manager = createMemoryLockManager({ store });
  opened.push(manager);
  return manager;
}

async function start(
  locksModule: NonNullable<ModuleMetadata['imports']>[number],
  more: ModuleMetadata = {},
): Promise<INestApplicationContext> {
  class App {}
  Module({ providers: [Invoices, Reports], ...more, imports: [locksModule, ...(more.imports ?? [])] })(App);
  const app = await NestFactory.createApplicationContext(App, { logger: false, abortOnError: false });
  opened.push(app);
  return app;
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => expect.fail('it resolved'),
    (error: unknown) => error,
  );
}

async function isClosed(manager: LockManager): Promise<boolean> {
  return isLockError(await manager.inspect('x').catch((error: unknown) => error), 'LOCK_CLOSED');
}

describe('LockModule', () => {
  it('injects the manager and job locks on it into every module', async () => {
    const manager = locks();
    class Feature {}
    Module({
      providers: [{ provide: 'name', inject: [LOCK_MANAGER], useFactory: ({ backend }: LockManager) => backend }],
      exports: ['name'],
    })(Feature);
    const app = await start(LockModule.forRoot({ manager }), { imports: [Feature] });
    expect(app.get(LOCK_MANAGER)).toBe(manager);
    expect(app.get('name')).toBe('memory');
    const ran = await app.get<JobLockManager>(JOB_LOCKS).runOnce('x', { windowMs: 60_000 }, () => 'ran');
    expect(ran).toEqual({ ran: true, value: 'ran' });
  });

  it('takes what other providers know, and makes the manager itself', async () => {
    class Configuration {}
    Module({ providers: [{ provide: 'label', useValue: 'from the configuration' }], exports: ['label'] })(Configuration);
    const useFactory = async (label: string): Promise<LockModuleOptions> => ({
      manager: async () => createMemoryLockManager({ store, label }),
    });
    const app = await start(LockModule.forRootAsync({ imports: [Configuration], inject: ['label'], useFactory }));
    const manager = app.get<LockManager>(LOCK_MANAGER);
    expect(manager.leaseDefaults.label).toBe('from the configuration');
    await app.close();
    expect(await isClosed(manager)).toBe(true);
  });

  it('closes what it has made, with the time that holders need, and leaves what it was handed to its maker', async () => {
    const mine = locks();
    const app = await start(LockModule.forRoot({ manager: mine }));
    await app.close();
    expect(await isClosed(mine)).toBe(false);

    const other = await start(LockModule.forRoot({ manager: () => locks(), drainMs: 5_000 }));
    let finish!: () => void;
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const working = other.get(Invoices).ledger(() => finished.then(() => heldLease()?.isHeld));
    await new Promise((resolve) => setImmediate(resolve));
    const closed = other.close();
    finish();
    expect(await working).toBe(true);
    await closed;
    expect(await isClosed(other.get(LOCK_MANAGER))).toBe(true);
  });

  it.each<[string, object]>([
    ['no manager', {}],
    ['something else', { manager: { url: 'redis://localhost' } }],
    ['a function that gives none', { manager: () => null }],
    ['an unknown option', { manager: () => null, url: 'redis://localhost' }],
  ])('keeps the application from starting, with LOCK_INVALID_ARGUMENT, for %s', async (_, options) => {
    expect(await rejection(start(LockModule.forRoot(options as LockModuleOptions)))).toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
  });

  it('lets the application fail with what the function throws', async () => {
    expect(await rejection(start(LockModule.forRoot({ manager: () => Promise.reject(new Error('no store')) })))).toMatchObject({
      message: 'no store',
    });
  });

  it('is missed by Nest itself, by name, where a method needs it', async () => {
    class Empty {}
    Module({})(Empty);
    expect(String(await rejection(start(Empty)))).toContain('the lock manager of LockModule');
  });
});

describe('@WithLock', () => {
  it('keeps calls of one key apart, and of others not, and gives arguments, result and lease', async () => {
    const invoices = (await start(LockModule.forRoot({ manager: locks() }))).get(Invoices);
    const results = await Promise.all([1, 2, 3].map((amount) => invoices.bill('7', amount)));
    expect(results).toEqual(['7 1 invoice:7', '7 2 invoice:7', '7 3 invoice:7']);
    expect(invoices.most).toBe(1);
    await Promise.all(['8', '9'].map((id) => invoices.bill(id, 1)));
    expect(invoices.most).toBe(2);
    expect(heldLease()).toBeNull();
  });

  it('excludes other processes, and reports what the manager reports', async () => {
    const invoices = (await start(LockModule.forRoot({ manager: locks() }))).get(Invoices);
    await using _ = await locks().acquire('ledger');
    expect(await rejection(invoices.ledger(() => 'never'))).toMatchObject({ code: 'LOCK_TIMEOUT' });
  });

  it('rejects with what its key function throws, and for a key that is no name, and does not call the method', async () => {
    const invoices = (await start(LockModule.forRoot({ manager: locks() }))).get(Invoices);
    expect(await rejection(invoices.withoutKey())).toMatchObject({ message: 'no key' });
    for (const key of ['', undefined, 7, 'x'.repeat(513)]) {
      expect(await rejection(invoices.anyKey(key as string))).toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
    }
  });

  it('rejects when the manager is closed, and on an object that Nest has not made', async () => {
    const manager = locks();
    const invoices = (await start(LockModule.forRoot({ manager }))).get(Invoices);
    await manager.close();
    expect(await rejection(invoices.anyKey('a'))).toMatchObject({ code: 'LOCK_CLOSED' });
    expect(await rejection(new Invoices().anyKey('a'))).toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
  });

  it('leaves what other decorators have noted where they look for it', () => {
    const { below } = Object.getOwnPropertyDescriptors(Invoices.prototype);
    expect(Reflect.getMetadata('below', below?.value as object)).toBe(1);
    expect(below?.value).toHaveProperty('name', 'below');
  });

  it('is refused on what Nest does not make: a static method, an accessor', () => {
    const decorate = WithLock('a') as (target: object, property: string, descriptor: PropertyDescriptor) => void;
    expect(() => decorate(Invoices, 'made', { value: async () => 'x' })).toThrow(
      expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }),
    );
    expect(() => decorate(Invoices.prototype, 'size', { get: () => 1 })).toThrow(
      expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }),
    );
  });
});

describe('@RunOnce beside @Cron', () => {
  it.each(['above', 'below'] as const)('runs a job once a window, over all servers: @Cron %s', async (name) => {
    const imports = [ScheduleModule.forRoot()];
    const servers = await Promise.all([1, 2].map(() => start(LockModule.forRoot({ manager: locks() }), { imports })));
    const runs = (): number => servers.reduce((sum, server) => sum + server.get(Reports).runs, 0);
    for (const server of servers) {
      await server.init();
      // As the schedule does when the time has come.
      await server.get(SchedulerRegistry).getCronJob(name).fireOnTick();
    }
    await vi.waitFor(() => expect(runs()).toBe(1));
    // By hand, what runs nothing can be waited for.
    for (const server of servers)
      expect(await (name === 'above' ? server.get(Reports).cronAbove() : server.get(Reports).nightly())).toBeUndefined();
    expect(runs()).toBe(1);
  });

  it('gives the result of a call that ran, and undefined for one that did not', async () => {
    const reports = (await start(LockModule.forRoot({ manager: locks() }))).get(Reports);
    expect(await reports.cronAbove()).toBe('ran under once/above');
    expect(await reports.cronAbove()).toBeUndefined();
    expect(await reports.daily('monday')).toBe('monday');
    expect(await reports.daily('tuesday')).toBe('tuesday');
    expect(await reports.daily('monday')).toBeUndefined();
  });
});

describe('LockHealthIndicator', () => {
  it('tells @nestjs/terminus how the store is', async () => {
    const manager = locks();
    const app = await start(LockModule.forRoot({ manager }), { imports: [TerminusModule.forRoot({ logger: false })] });
    const health = await app.resolve(HealthCheckService);
    const indicator = app.get(LockHealthIndicator);
    expect(await health.check([() => indicator.isHealthy('locks')])).toMatchObject({ status: 'ok', info: { locks: { status: 'up' } } });
    await manager.close();
    const error = await rejection(health.check([() => indicator.isHealthy()]));
    expect((error as { getResponse(): unknown }).getResponse()).toMatchObject({
      status: 'error',
      error: { locks: { status: 'down', code: 'LOCK_CLOSED' } },
    });
  });
});
