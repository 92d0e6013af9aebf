import 'reflect-metadata';
import { createMemoryLockManager, createMemoryStore, type MemoryStore } from '@holdfast/core/memory';
import type { LockManager } from '@holdfast/core';
import {
  heldLease,
  InjectLocks,
  LOCK_MANAGER,
  LockModule,
  type LockModuleAsyncOptions,
  type LockModuleRootOptions,
  RunOnce,
  WithLock,
} from '@holdfast/nestjs';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  HttpCode,
  type INestApplication,
  Injectable,
  Module,
  type ModuleMetadata,
  Param,
  ParseIntPipe,
  Scope,
  SetMetadata,
  UseGuards,
} from '@nestjs/common';
import { ContextIdFactory, ModuleRef, NestFactory, Reflector } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let store: MemoryStore;
const opened: { close(): Promise<void> }[] = [];

beforeEach(() => {
  store = createMemoryStore();
});
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

function locks(label?: string): LockManager {
  const manager = createMemoryLockManager({ store, label });
  opened.push(manager);
  return manager;
}

async function start(metadata: ModuleMetadata, options: object = {}): Promise<INestApplication> {
  class App {}
  Module(metadata)(App);
  const app = await NestFactory.create(App, { logger: false, abortOnError: false, ...options });
  opened.push(app);
  return app;
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => expect.fail('it resolved'),
    (error: unknown) => error,
  );
}

class OnlyWithRole implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return new Reflector().get<string>('role', context.getHandler()) === 'clerk';
  }
}

// What `emitDecoratorMetadata`, Nest's default, notes: pipes ask for it.
function typed(target: object, property: string): void {
  Reflect.defineMetadata('design:paramtypes', [Number], target, property);
}

@Controller('invoices')
class InvoiceController {
  @Get(':id/above')
  @UseGuards(OnlyWithRole)
  @SetMetadata('role', 'clerk')
  @HttpCode(202)
  @WithLock((id: number) => `invoice:${id}`)
  @typed
  async above(@Param('id', ParseIntPipe) id: number): Promise<string> {
    return `${typeof id} ${heldLease()?.name}`;
  }

  @WithLock((id: number) => `invoice:${id}`, { waitMs: 0 })
  @HttpCode(202)
  @SetMetadata('role', 'clerk')
  @UseGuards(OnlyWithRole)
  @Get(':id/below')
  @typed
  async below(@Param('id', ParseIntPipe) id: number): Promise<string> {
    return `${typeof id} ${heldLease()?.name}`;
  }
}

describe('@WithLock on a route', () => {
  it.each(['above', 'below'])('stands beside guards, pipes, codes and metadata: they %s it', async (order) => {
    const app = await start({ imports: [LockModule.forRoot({ manager: locks() })], controllers: [InvoiceController] });
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const answer = await fetch(`${url}/invoices/7/${order}`, { headers: { connection: 'close' } });
    expect([answer.status, await answer.text()]).toEqual([202, 'number invoice:7']);
    expect((await fetch(`${url}/invoices/x/${order}`, { headers: { connection: 'close' } })).status).toBe(400);
  });
});

@Injectable()
class Base {
  @WithLock('of the base')
  async work(): Promise<string | undefined> {
    return heldLease()?.name;
  }
}

@Injectable()
class Heir extends Base {
  @InjectLocks() readonly own: LockManager | undefined;

  @RunOnce('of the heir', { windowMs: 60_000 })
  async once(): Promise<string | undefined> {
    return heldLease()?.name;
  }
}

@Injectable()
class Overriding extends Base {
  @WithLock('around the base')
  override async work(): Promise<string | undefined> {
    return `${heldLease()?.name}, then ${await super.work()}, then ${heldLease()?.name}`;
  }
}

@Injectable({ scope: Scope.REQUEST })
class OfRequest {
  @WithLock('of a request')
  async work(): Promise<readonly [unknown, unknown]> {
    return [this, heldLease()?.name];
  }
}

describe('decorated methods', () => {
  it('are inherited, overridden, and called by what overrides them', async () => {
    const app = await start({ imports: [LockModule.forRoot({ manager: locks() })], providers: [Base, Heir, Overriding] });
    expect(await app.get(Heir).work()).toBe('of the base');
    expect(await app.get(Heir).once()).toBe('once/of the heir');
    expect(app.get(Heir).own).toBe(app.get(LOCK_MANAGER));
    expect(await app.get(Base).work()).toBe('of the base');
    expect(await app.get(Overriding).work()).toBe('around the base, then of the base, then around the base');
  });

  it('work on what lives for a request, and on what is made by hand', async () => {
    const app = await start({ imports: [LockModule.forRoot({ manager: locks() })], providers: [OfRequest] });
    const [one, other] = await Promise.all([1, 2].map(() => app.resolve(OfRequest, ContextIdFactory.create())));
    expect(one).not.toBe(other);
    expect(await one?.work()).toEqual([one, 'of a request']);
    expect(await (await app.get(ModuleRef).create(Base)).work()).toBe('of the base');
  });

  it('have the locks of their own application, and of their own module', async () => {
    @Injectable()
    class Labels {
      @WithLock('x')
      async label(): Promise<string | undefined> {
        const state = await (this as unknown as Record<symbol, LockManager>)[LOCK_MANAGER]?.inspect('x');
        return state?.holders[0]?.label ?? undefined;
      }
    }
    const part = (token: string, label: string): NonNullable<ModuleMetadata['imports']>[number] => {
      class Part {}
      const providers = [{ provide: token, useClass: Labels }];
      Module({ imports: [LockModule.forRoot({ manager: locks(label), isGlobal: false })], providers })(Part);
      return Part;
    };
    for (const options of [{}, { moduleIdGeneratorAlgorithm: 'deep-hash' }]) {
      const app = await start({ imports: [part('one', 'first'), part('two', 'second')] }, options);
      expect(await app.get<Labels>('one', { strict: false }).label()).toBe('first');
      expect(await app.get<Labels>('two', { strict: false }).label()).toBe('second');
    }
    const apps = await Promise.all(
      ['third', 'fourth'].map((label) => start({ imports: [LockModule.forRoot({ manager: locks(label) })], providers: [Labels] })),
    );
    expect(await Promise.all(apps.map((app) => app.get(Labels).label()))).toEqual(['third', 'fourth']);
  });

  it('keep the name and the number of parameters', () => {
    const { above } = Object.getOwnPropertyDescriptors(InvoiceController.prototype);
    expect([above?.value?.name, above?.value?.length]).toEqual(['above', 1]);
  });
});

describe('bad input', () => {
  const invalid = { code: 'LOCK_INVALID_ARGUMENT' };

  class Keys {
    calls = 0;

    @WithLock((async () => 'a') as unknown as () => string)
    async later(): Promise<void> {
      this.calls += 1;
    }

    @WithLock((() => Promise.reject(new Error('no key'))) as unknown as () => string)
    async failing(): Promise<void> {
      this.calls += 1;
    }

    @RunOnce(
      () => {
        throw new Error('no name');
      },
      { windowMs: 1_000 },
    )
    async throwing(): Promise<void> {
      this.calls += 1;
    }

    @RunOnce((name: string) => name, { windowMs: 1_000 })
    async named(_name: string): Promise<void> {
      this.calls += 1;
    }

    @RunOnce('no window', {})
    async windowless(): Promise<void> {
      this.calls += 1;
    }
  }

  it('of a key, by promise too, calls nothing, and leaves no rejection that nobody hears', async () => {
    const keys = (await start({ imports: [LockModule.forRoot({ manager: locks() })], providers: [Keys] })).get(Keys);
    expect(await rejection(keys.later())).toMatchObject(invalid);
    // Vitest fails where a rejection is not handled.
    expect(await rejection(keys.failing())).toMatchObject(invalid);
    expect(await rejection(keys.throwing())).toMatchObject({ message: 'no name' });
    for (const name of ['', undefined, 7, null]) expect(await rejection(keys.named(name as string))).toMatchObject(invalid);
    expect(await rejection(keys.windowless())).toMatchObject(invalid);
    expect(keys.calls).toBe(0);
  });

  it('that stands in the code is refused where it stands', () => {
    for (const key of ['', undefined, 7, null, ['a']]) {
      expect(() => WithLock(key as string)).toThrow(expect.objectContaining({ ...invalid, option: 'key' }));
      expect(() => RunOnce(key as string, { windowMs: 1 })).toThrow(expect.objectContaining({ ...invalid, option: 'name' }));
    }
  });

  it('is a decorator of the standard, for which Nest has no place', () => {
    const decorate = WithLock('a') as unknown as (method: () => Promise<void>, context: object) => void;
    expect(() => decorate(async () => {}, { kind: 'method', name: 'work' })).toThrow(expect.objectContaining(invalid));
  });

  it('is a manager that is closed, for a job too', async () => {
    const manager = locks();
    const app = await start({ imports: [LockModule.forRoot({ manager })], providers: [Heir] });
    await manager.close();
    expect(await rejection(app.get(Heir).once())).toMatchObject({ code: 'LOCK_CLOSED' });
    expect(await rejection(app.get(Heir).work())).toMatchObject({ code: 'LOCK_CLOSED' });
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a promise of a manager', { manager: Promise.resolve() }],
    ['a word for a module', { manager: () => locks(), isGlobal: 'yes' }],
  ])('of forRoot keeps the application from starting: %s', async (_, options) => {
    expect(await rejection(start({ imports: [LockModule.forRoot(options as LockModuleRootOptions)] }))).toMatchObject(invalid);
  });

  it('of forRootAsync is refused at once, or by what its factory answers', async () => {
    for (const options of [undefined, {}, { useClass: Base }, { useFactory: 'x' }, { useFactory: () => ({}), inject: 'x' }]) {
      expect(() => LockModule.forRootAsync(options as LockModuleAsyncOptions)).toThrow(expect.objectContaining(invalid));
    }
    const started = (useFactory: () => unknown): Promise<INestApplication> =>
      start({ imports: [LockModule.forRootAsync({ useFactory } as LockModuleAsyncOptions)] });
    expect(await rejection(started(() => undefined))).toMatchObject(invalid);
    expect(await rejection(started(() => ({ manager: locks(), isGlobal: true })))).toMatchObject({ ...invalid, option: 'isGlobal' });
    expect(await rejection(started(() => Promise.reject(new Error('no configuration'))))).toMatchObject({ message: 'no configuration' });
  });
});
