/** The two sides of a migration. */
export type MigrationSide = 'from' | 'to';

/** Where a migration stands: on the old store, on both, on the new one. */
export type MigrationPhase = 'from' | 'both' | 'to';

/** In the order in which a migration passes them; a roll-back passes them the other way. */
export const MIGRATION_PHASES = ['from', 'both', 'to'] as const satisfies readonly MigrationPhase[];

const sides = { from: ['from'], both: ['from', 'to'], to: ['to'] } as const satisfies Record<MigrationPhase, readonly MigrationSide[]>;

/**
 * The sides that a hold of this phase stands on, in the order in which they are taken. The order is fixed: two that
 * take `from` and `to` in opposite orders would each wait for the other.
 */
export function sidesOf(phase: MigrationPhase): readonly MigrationSide[] {
  return sides[phase];
}

/** Whether holds of the two phases exclude each other: they do when they share a side. */
export function excludeEachOther(a: MigrationPhase, b: MigrationPhase): boolean {
  return sidesOf(a).some((side) => sidesOf(b).includes(side));
}
