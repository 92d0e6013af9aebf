import type { BenchBatch, BenchLease } from '../library.js';

type TryAcquire = (name: string) => Promise<BenchLease | null>;

/** All at once: what a user does who has many names and a library without a call for them. */
export async function takeEachAtOnce(names: readonly string[], tryAcquire: TryAcquire): Promise<BenchBatch> {
  const taken = await Promise.all(names.map(async (name) => ({ name, lease: await tryAcquire(name) })));
  return batchOf(taken);
}

/** One after the other. */
export async function takeOneByOne(names: readonly string[], tryAcquire: TryAcquire): Promise<BenchBatch> {
  const taken: { name: string; lease: BenchLease | null }[] = [];
  for (const name of names) taken.push({ name, lease: await tryAcquire(name) });
  return batchOf(taken);
}

function batchOf(taken: readonly { readonly name: string; readonly lease: BenchLease | null }[]): BenchBatch {
  const granted = taken.flatMap(({ name, lease }) => (lease === null ? [] : [{ name, lease }]));
  return {
    granted: granted.map(({ name }) => name),
    releaseAll: () => Promise.all(granted.map(({ lease }) => lease.release())),
  };
}
