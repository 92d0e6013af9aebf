import { connect, type ConnectConfig, type ConnectOptions, type FencingToken, type LockManager, type Requirement } from 'holdfast';
import { describe, expectTypeOf, it } from 'vitest';

// Compiled with the tests, so that a type that does not hold fails the build.
describe('the type of connect', () => {
  it('says that tokens are never null when fencing is required', () => {
    expectTypeOf(connect<['fencing']>).returns.resolves.toEqualTypeOf<LockManager<bigint>>();
    const required = () => [
      connect('memory:', { require: ['fencing'] }),
      connect({ url: 'memory:', require: ['fencing'] }),
      connect({ url: 'memory:' }, { require: ['fencing'] }),
      connect(undefined, { require: ['fair', 'fencing', 'marks'], ttlMs: 5 }),
      connect('acme:', { schemes: { acme: 'acme-locks' }, require: ['fencing'], tenant: 5 }),
      connect({ url: 'acme:', schemes: { acme: 'acme-locks' }, require: ['fencing'], tenant: 5 }),
    ];
    expectTypeOf(required).returns.items.resolves.toEqualTypeOf<LockManager<bigint>>();
  });

  it('promises no token when fencing is not certainly required', () => {
    const options: ConnectOptions = {};
    const config: ConnectConfig = {};
    const some: Requirement[] = [];
    const maybe: ['fencing' | 'fair'] = ['fair'];
    const open = () => [
      connect(),
      connect('memory:'),
      connect('memory:', {}),
      connect('memory:', options),
      connect(config),
      connect(config, options),
      connect('memory:', { require: [] }),
      connect('memory:', { require: ['fair'] }),
      connect('memory:', { require: some }),
      connect('memory:', { require: maybe }),
      connect('memory:', { require: undefined }),
    ];
    expectTypeOf(open).returns.items.resolves.toEqualTypeOf<LockManager<FencingToken>>();
  });

  it('refuses what it does not know, unless there are schemes of one’s own', () => {
    // @ts-expect-error a misspelled option
    expectTypeOf(() => connect('memory:', { ttl: 5 })).not.toBeAny();
    // @ts-expect-error a wrong value
    expectTypeOf(() => connect('memory:', { ttlMs: '5' })).not.toBeAny();
    // @ts-expect-error a requirement that nothing can fulfil
    expectTypeOf(() => connect('memory:', { require: ['fence'] })).not.toBeAny();
    expectTypeOf(() => connect('acme:', { schemes: { acme: 'acme-locks' }, tenant: 5 })).not.toBeAny();
  });

  it('knows the options of every store that it knows by itself', () => {
    expectTypeOf(() => [
      connect('redis://h', { prefix: 'shop:', fair: true, replicas: { min: 1, timeoutMs: 100 } }),
      connect('redlock://h', { maxTtlMs: 60_000, quorum: 2 }),
      connect('postgres://h', { strategy: 'table', shedLockTable: 'shedlock', schema: 'locks' }),
      connect('postgres://h', { pooler: 'session', keyOf: () => 7n, driverOptions: { ssl: true } }),
      connect('zookeeper://h', { sessionTimeoutMs: 9_000, root: '/locks' }),
    ]).not.toBeAny();
    // @ts-expect-error a pool goes to createPostgresLockManager
    expectTypeOf(() => connect('postgres://h', { pool: undefined })).not.toBeAny();
  });

  it('fits where any manager is wanted', () => {
    expectTypeOf<LockManager<bigint>>().toExtend<LockManager>();
    expectTypeOf<LockManager>().not.toExtend<LockManager<bigint>>();
  });
});
