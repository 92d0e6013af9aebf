// Both copies of the packages in one process, as where one part of an application imports them and another one requires them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import * as imported from 'holdfast';
import * as importedMemory from 'holdfast/memory';

const require = createRequire(import.meta.url);
const required = require('holdfast');
const requiredMemory = require('holdfast/memory');
assert.notEqual(required.connect, imported.connect, 'this process has one copy only: nothing is tested');

const [a, b] = [await imported.connect('memory:shared'), await required.connect('memory:shared')];

// One store for both.
const held = await a.acquire('name');
assert.equal(await b.tryAcquire('name'), null);
await held.release();

// Each knows the errors of the other.
const busy = await a.acquire('name');
const error = await b.acquire('name', { waitMs: 1 }).catch((reason) => reason);
assert.ok(imported.isLockError(error, 'LOCK_TIMEOUT') && required.isLockError(error, 'LOCK_TIMEOUT'));
await busy.release();

// A task that waits for what it holds hears of it, also through a task of the other copy.
const reentry = await a.withLock('outer', () => b.withLock('inner', () => a.acquire('outer'))).catch((reason) => reason);
assert.ok(required.isLockError(reentry, 'LOCK_REENTRY'), String(reentry));

// What the one made the other can use, and a backend has one manager.
const store = importedMemory.createMemoryStore();
const backend = requiredMemory.createMemoryBackend({ store });
const [c, d] = [imported.createLockManager(backend), importedMemory.createMemoryLockManager({ store })];
const lease = await c.acquire('name');
assert.equal(await d.tryAcquire('name'), null);
await lease.release();
assert.throws(() => required.createLockManager(backend), { code: 'LOCK_INVALID_ARGUMENT' });

// What is warned of once a process is warned of once.
const warnings = [];
process.removeAllListeners('warning');
process.on('warning', ({ code }) => warnings.push(code));
const heard = once(process, 'warning');
for (const [first, second, name] of [
  [a, b, 'one'],
  [b, a, 'two'],
]) {
  await first.semaphore(name, { permits: 2 }).acquire();
  await second.semaphore(name, { permits: 3 }).acquire();
}
await heard;
await new Promise(setImmediate);
assert.deepEqual(warnings, ['HOLDFAST_LIMIT_DIFFERS']);

for (const manager of [a, b, c, d]) await manager.close();
