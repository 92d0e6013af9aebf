import type { Random } from '@holdfast/test/simulation';
import type { HoldMode } from './history.js';
import type { HoldOp } from './lock-models.js';
import type { Model, Operation } from './model.js';
import type { RegisterOp } from './register-model.js';

/**
 * The plainest way to decide it, for a few operations: every order is tried. What the checker says is compared with it.
 */
export function hasOrder<S, O>(model: Model<S, O>, operations: readonly Operation<O>[], state: S = model.initial): boolean {
  if (operations.every(({ end }) => end === Infinity)) return true;
  const firstEnd = Math.min(...operations.map(({ end }) => end));
  return operations.some((operation, index) => {
    if (operation.call > firstEnd) return false;
    const next = model.step(state, operation.op);
    return next !== null && hasOrder(model, operations.toSpliced(index, 1), next);
  });
}

/** A few holds at random moments, with random tokens: some histories are possible, some are not. */
export function randomHolds(random: Random, modes: readonly HoldMode[]): Operation<HoldOp>[] {
  return Array.from({ length: random.integer(2, 4) }, (_, index) => {
    const hold = `h${index}`;
    const mode = random.pick(modes);
    const call = random.integer(0, 20);
    const end = call + random.integer(1, 8);
    const believed = call + random.integer(0, 12);
    const over = random.chance(0.2) ? Infinity : Math.max(end, believed) + random.integer(0, 6);
    const token = mode === 'permits' ? null : BigInt(random.integer(call, call + 4));
    const acquire: HoldOp = { do: 'acquire', hold, mode, permits: mode === 'permits' ? random.integer(1, 2) : 1, token };
    const process = `p${index}`;
    return [
      { op: acquire, process, call, end },
      { op: { do: 'end', hold } satisfies HoldOp, process, call: believed, end: over },
    ];
  }).flat();
}

/** A few reads and updates likewise. */
export function randomUpdates(random: Random): Operation<RegisterOp>[] {
  return Array.from({ length: random.integer(2, 6) }, (_, index) => {
    const call = random.integer(0, 20);
    const value = random.integer(0, 2);
    const op: RegisterOp = random.chance(0.4) ? { do: 'read', value } : { do: 'update', from: value, to: value + 1 };
    const isUnknown = op.do === 'update' && random.chance(0.2);
    return { op, process: `p${index}`, call, end: isUnknown ? Infinity : call + random.integer(1, 10) };
  });
}

/**
 * Many holds of one object as a sound store grants them: each takes effect at a moment of its own, and its caller sees that moment from
 * a little before to a little after.
 */
export function soundHolds(random: Random, count: number, modes: readonly HoldMode[], limit: number): Operation<HoldOp>[] {
  const operations: Operation<HoldOp>[] = [];
  const held: { readonly hold: string; readonly mode: HoldMode; readonly permits: number; readonly grantedBy: number }[] = [];
  let [now, made, token] = [0, 0, 1000n];
  const around = () => ({ before: now - random.integer(0, 30), after: now + random.integer(1, 30) });
  while (made < count || held.length > 0) {
    now += random.integer(1, 10);
    const mode = random.pick(modes);
    const permits = mode === 'permits' ? random.integer(1, 2) : 1;
    const fits =
      mode === 'permits'
        ? held.reduce((sum, other) => sum + other.permits, permits) <= limit
        : held.every((other) => mode === 'read' && other.mode === 'read');
    if (made < count && fits && random.chance(0.6)) {
      made += 1;
      token += 1n;
      const hold = `h${made}`;
      const { before, after } = around();
      operations.push({
        op: { do: 'acquire', hold, mode, permits, token: mode === 'permits' ? null : token },
        process: hold,
        call: before,
        end: after,
      });
      held.push({ hold, mode, permits, grantedBy: after });
    } else if (held.length > 0) {
      const [over] = held.splice(random.integer(0, held.length - 1), 1);
      if (over === undefined) continue;
      const { before, after } = around();
      const isUnknown = random.chance(0.05);
      operations.push({
        op: { do: 'end', hold: over.hold },
        process: over.hold,
        call: before,
        end: isUnknown ? Infinity : Math.max(after, over.grantedBy),
      });
    }
  }
  return operations;
}
