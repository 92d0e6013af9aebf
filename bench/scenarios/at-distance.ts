import type { ScenarioId } from '../library.js';
import type { Scenario } from '../scenario.js';

/**
 * A scenario with the store a network away: what a lock costs where round trips count more than work.
 *
 * @param targets of their own: those at no distance say nothing about it
 */
export function atDistance(scenario: Scenario, id: ScenarioId, roundTripMs: number, targets: Scenario['targets'] = []): Scenario {
  return {
    ...scenario,
    id,
    title: `${scenario.title}; the store is ${roundTripMs} ms of round trip away`,
    like: scenario.like ?? scenario.id,
    roundTripMs,
    rounds: { full: Math.ceil(scenario.rounds.full / 3), quick: 1 },
    targets,
  };
}
