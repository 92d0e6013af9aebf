import type { CompletionMarks, LockBackend } from '../index.js';
import { type MigrationSide, sidesOf } from './phase.js';
import type { PhaseGate } from './phase-gate.js';

/**
 * Completion marks over both sides. In `both` the target is asked first, and a mark stands when either side has it:
 * of two that set it at once exactly one is told true, also when the other is still in `from` or already in `to`.
 */
export function migrationMarks(
  marks: Readonly<Record<MigrationSide, CompletionMarks>>,
  gate: PhaseGate,
): NonNullable<LockBackend['marks']> {
  return {
    async set(name, retentionMs) {
      const passage = gate.enter();
      try {
        for (const side of [...sidesOf(passage.phase)].reverse()) {
          // oxlint-disable-next-line no-await-in-loop
          if (!(await marks[side].set(name, { retentionMs }))) return false;
        }
        return true;
      } finally {
        passage.leave();
      }
    },
    async has(name) {
      const answers = await Promise.all(sidesOf(gate.phase).map((side) => marks[side].has(name)));
      return answers.includes(true);
    },
  };
}
