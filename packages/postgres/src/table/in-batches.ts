import type { HoldRef, LockKind } from '@holdfast/core';

/** Items of one kind whose names differ, by their indexes. */
export interface Batch {
  readonly kind: LockKind;
  readonly indexes: number[];
}

/** Splits items so that no statement touches a row twice. A hold that comes twice in a row's batch would be lost there. */
export function inBatches<T extends HoldRef>(items: readonly T[], kindOf: (item: T) => LockKind): readonly Batch[] {
  const batches: (Batch & { readonly names: Set<string> })[] = [];
  for (const [index, item] of items.entries()) {
    const kind = kindOf(item);
    let batch = batches.find((one) => one.kind === kind && !one.names.has(item.name));
    if (batch === undefined) {
      batch = { kind, indexes: [], names: new Set() };
      batches.push(batch);
    }
    batch.indexes.push(index);
    batch.names.add(item.name);
  }
  return batches;
}
