import { describe, expect, it } from 'vitest';
import { explore } from './model/explore.js';
import { type ModelRules, realRules, type Scope } from './model/model.js';

/** Rules that are wrong, where they show, and what the shortest way to the fault must lead to. */
const mutants: readonly (readonly [id: string, rules: Partial<ModelRules>, scope: Scope, fault: RegExp])[] = [
  ['no confirmation', { confirms: false }, 'forced', /began after a grant with a token that is not lower/],
  ['a confirmation without a look at the owner', { check: 'nothing' }, 'forced', /counted .* and the tokens are/],
  [
    'a confirmation by the owner’s token alone, with a request that comes twice',
    { check: 'owner' },
    'forced',
    /counted .* and the tokens are/,
  ],
  ['no quarantine', { quarantine: false }, 'timed', /two holders at once/],
  ['no validity check', { checksValidity: false }, 'timed', /granted when its time was over/],
];

describe('the protocol’s model: three nodes, two attempts', () => {
  it.each(['forced', 'timed'] as const)('keeps its promises in every state (%s)', { timeout: 120_000 }, (scope) => {
    const { fault, trace, states } = explore(scope, realRules);
    expect(trace).toEqual([]);
    expect(fault).toBeNull();
    // All of them, and not a few for want of steps.
    expect(states).toBeGreaterThan(100_000);
  });

  it.each(mutants)('fails with %s, and shows how', { timeout: 120_000 }, (_, rules, scope, fault) => {
    const found = explore(scope, { ...realRules, ...rules });
    expect(found.fault).toMatch(fault);
    expect(found.trace.length).toBeGreaterThan(5);
    expect(found.trace[0]).toContain('at first');
    expect(found.trace.at(-1)).toContain(found.fault);
    process.stdout.write(`${found.trace.join('\n')}\n\n`);
  });
});
