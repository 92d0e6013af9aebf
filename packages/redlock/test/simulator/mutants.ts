import type { ValidityRule } from '../../src/protocol/validity.js';
import { validityMs } from '../../src/protocol/validity.js';
import { type NodeRules, realRules } from './simulated-node.js';

/** What is wrong with a protocol that the simulator and its seeds have to catch. */
export interface Mutant {
  readonly id: string;
  readonly breaks: string;
  readonly rules: NodeRules;
  readonly validity: ValidityRule;
  /** The client believes that every vote is confirmed. */
  readonly skipsConfirm: boolean;
}

/** The protocol as it is. */
export const unbroken: Mutant = { id: 'none', breaks: 'nothing', rules: realRules, validity: validityMs, skipsConfirm: false };

export const mutants: readonly Mutant[] = [
  { ...unbroken, id: 'no-confirm', breaks: 'a token counts only where the fence was raised to it', skipsConfirm: true },
  {
    ...unbroken,
    id: 'confirm-without-owner',
    breaks: 'a fence is raised for a vote that still stands',
    rules: { ...realRules, check: 'nothing' },
  },
  {
    ...unbroken,
    id: 'owner-by-token-alone',
    breaks: 'a vote that was given twice does not count as the first one',
    rules: { ...realRules, check: 'owner' },
  },
  { ...unbroken, id: 'no-validity-check', breaks: 'votes that come too late are not believed', validity: () => 1 },
  {
    ...unbroken,
    id: 'counting-semaphore',
    breaks: 'permits are slots, each a quorum lock',
    rules: { ...realRules, counting: true },
  },
  {
    ...unbroken,
    id: 'no-quarantine',
    breaks: 'a node that may have forgotten holds abstains',
    rules: { ...realRules, quarantine: false },
  },
];
