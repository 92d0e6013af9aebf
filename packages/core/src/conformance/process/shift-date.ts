import process from 'node:process';

/** How much later, or earlier, this process is to think it is, in milliseconds. */
export const SHIFT_VARIABLE = 'HOLDFAST_CONFORMANCE_SHIFT_MS';

/** Sets the wall clock of this process wrong, from now on: every reading of `Date`, no matter who makes it. The monotonic clock stays correct. */
function shiftDate(shiftMs: number): void {
  const RightDate = globalThis.Date;
  const now = (): number => RightDate.now() + shiftMs;
  globalThis.Date = new Proxy(RightDate, {
    construct: (target, args: readonly unknown[], newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
    apply: () => new RightDate(now()).toString(),
    get: (target, property, receiver) => (property === 'now' ? now : (Reflect.get(target, property, receiver) as unknown)),
  });
  // With this one drivers and backends tell the time of day too.
  const { timeOrigin } = performance;
  Object.defineProperty(performance, 'timeOrigin', { value: timeOrigin + shiftMs });
}

const shiftMs = Number(process.env[SHIFT_VARIABLE] ?? 0);
if (shiftMs !== 0) shiftDate(shiftMs);
