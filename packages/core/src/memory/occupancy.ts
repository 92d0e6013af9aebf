import type { HoldRequest } from '../index.js';

/** What of a name is taken, in numbers: enough to say whether a request fits beside it. */
export interface Occupancy {
  readonly writers: number;
  readonly readers: number;
  readonly permits: number;
}

export const vacant: Occupancy = Object.freeze({ writers: 0, readers: 0, permits: 0 });

export function permitsOf(request: HoldRequest): number {
  return request.mode === 'permits' ? request.permits : 1;
}

/**
 * Whether the request fits beside what is taken. The limit of a semaphore is the one that the request names: all
 * clients of a name say the same, and while one that says another is rolled out each keeps to its own.
 */
export function fits(taken: Occupancy, request: HoldRequest): boolean {
  switch (request.mode) {
    case 'exclusive':
    case 'write':
      return taken.writers === 0 && taken.readers === 0;
    case 'read':
      return taken.writers === 0;
    case 'permits':
      return taken.permits + request.permits <= request.limit;
    default:
      return request satisfies never;
  }
}

/** What is taken once the request is granted too; with `sign` -1, once its hold has gone. */
export function plus(taken: Occupancy, request: HoldRequest, sign: 1 | -1 = 1): Occupancy {
  switch (request.mode) {
    case 'exclusive':
    case 'write':
      return { ...taken, writers: taken.writers + sign };
    case 'read':
      return { ...taken, readers: taken.readers + sign };
    case 'permits':
      return { ...taken, permits: taken.permits + sign * request.permits };
    default:
      return request satisfies never;
  }
}
