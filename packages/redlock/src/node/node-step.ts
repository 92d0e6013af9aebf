import type { RedisStep } from '@holdfast/redis/connection';
import { type Script, scripts } from '../scripts.generated.js';

/** Not so many that the server is held up. */
const MANY = 128;

function step(script: Script, { most = 1, expires = false, grants = false, frees = false }: Partial<RedisStep> = {}): RedisStep {
  return { ...script, most, expires, grants, frees };
}

/** What a node is asked to do. */
export const steps = {
  acquire: step(scripts.acquire, { most: MANY, expires: true, grants: true }),
  // It may put a vote back.
  extend: step(scripts.extend, { most: MANY, expires: true, grants: true }),
  confirm: step(scripts.confirm, { most: MANY }),
  release: step(scripts.release, { most: MANY, frees: true }),
  withdraw: step(scripts.withdraw),
  noteWaiters: step(scripts.noteWaiters, { most: MANY }),
  setMark: step(scripts.setMark, { most: MANY, expires: true }),
  mark: step(scripts.mark, { most: MANY }),
  listMarks: step(scripts.listMarks),
  inspect: step(scripts.inspect),
  forceRelease: step(scripts.forceRelease),
  node: step(scripts.node),
};
