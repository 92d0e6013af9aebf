/** How long a period is: here a second, so that there is something to see; in earnest an hour or a day. */
export const PERIOD_MS = 1_000;
/** How many periods a server looks back for one that nobody has done. */
const LOOK_BACK = 10;

/** What the job is to be done for: the time itself, so that a server that is late does the same as one that is not. */
export function periodOf(at: number): string {
  return new Date(Math.floor(at / PERIOD_MS) * PERIOD_MS).toISOString();
}

/** The present period and those before it, the oldest first; none from before `since`. */
export function recentPeriods(at: number, since: string): readonly string[] {
  const periods = Array.from({ length: LOOK_BACK }, (_, back) => periodOf(at - (LOOK_BACK - 1 - back) * PERIOD_MS));
  return periods.filter((period) => period >= since);
}
