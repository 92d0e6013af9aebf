import { createLockManager } from '@holdfast/core';
import { newName } from '@holdfast/test/backend';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();
const RUN_MS = 5_000;
const MANAGERS = 3;
const TASKS = 3;

describe.each(['advisory', 'table'] as const)('what nine tasks of three managers want all the time (%s)', (strategy) => {
  it.each(['locks', 'permits'] as const)('%s go to each manager for a quarter of its share at least', async (kind) => {
    const managers = Array.from({ length: MANAGERS }, () => createLockManager(postgres.backend({ strategy })));
    const name = newName();
    const grants = managers.map(() => 0);
    // The first contact takes its time.
    for (const manager of managers) await manager.withLock(newName(), async () => {});
    const endAt = performance.now() + RUN_MS;
    await Promise.all(
      managers.flatMap((manager, index) =>
        Array.from({ length: TASKS }, async () => {
          const task = async (): Promise<void> => {
            if (performance.now() < endAt) grants[index] = (grants[index] ?? 0) + 1;
            await sleep(1);
          };
          while (performance.now() < endAt) {
            if (kind === 'locks') await manager.withLock(name, task);
            else await manager.semaphore(name, { permits: 2 }).withPermits(task);
          }
        }),
      ),
    );
    await Promise.all(managers.map((manager) => manager.close()));
    const all = grants.reduce((total, each) => total + each, 0);
    const isShared = Math.min(...grants) > all / MANAGERS / 4;
    expect({ grants, isShared }).toEqual({ grants, isShared: true });
  });
});
