import { checkName } from '../check-name.js';
import { readOptions, rule } from '../check-options.js';
import type { FencingToken } from '../contract/lease.js';
import type { CompletionMarks } from '../contract/manager.js';
import type { ManagerCore } from './manager-core.js';

const setRules = { retentionMs: rule.duration({ min: 1 }) };

/** The backend's marks behind argument checks and deadlines; null where it has none. */
export function completionMarks<F extends FencingToken>(core: ManagerCore<F>): CompletionMarks | null {
  const { backend, calls } = core;
  const { marks } = backend;
  if (marks === undefined || !backend.capabilities.marks) return null;
  return {
    async set(name, options) {
      checkName('marks.set', name);
      const { retentionMs } = readOptions('marks.set', options, setRules, ['retentionMs']);
      core.assertOpen(name);
      return await calls.run(name, (call) => marks.set(name, retentionMs, call));
    },
    async has(name) {
      checkName('marks.has', name);
      core.assertOpen(name);
      return await calls.run(name, (call) => marks.has(name, call));
    },
  };
}
