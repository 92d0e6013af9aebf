import type { Mutant } from '@holdfast/test/simulator';
import type { ScriptRules } from './redis-model.js';

/** A mutant of the scripts, or of what is built upon them. */
export interface RedisMutant extends Mutant {
  readonly scripts?: ScriptRules;
}

export const redisMutants: readonly RedisMutant[] = [];
