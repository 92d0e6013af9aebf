import type { Step } from '@holdfast/core/backend';
import { type Script, scripts } from './scripts.generated.js';

/** A script, and how it may be asked. */
export type RedisStep = Step & Script;

function step(script: Script, { most = 1, expires = false, grants = false, frees = false }: Partial<Omit<Step, 'name'>> = {}): RedisStep {
  return { ...script, most, expires, grants, frees };
}

/** What the server is asked to do. The scripts say what their keys and arguments mean. */
export const steps = {
  acquire: step(scripts.acquire, { most: 128, expires: true, grants: true }),
  enqueue: step(scripts.enqueue, { expires: true, grants: true }),
  renew: step(scripts.renew, { most: 256, expires: true }),
  refresh: step(scripts.refresh, { most: 64, expires: true }),
  release: step(scripts.release, { most: 128, frees: true }),
  handOver: step(scripts.handOver, { expires: true, grants: true, frees: true }),
  inspect: step(scripts.inspect),
  forceRelease: step(scripts.forceRelease),
  setMark: step(scripts.setMark, { most: 128, expires: true }),
  findMark: step(scripts.findMark, { most: 256 }),
  deleteMark: step(scripts.deleteMark, { expires: true }),
  listMarks: step(scripts.listMarks),
  takeMoving: step(scripts.takeMoving, { expires: true, grants: true }),
  drawFence: step(scripts.drawFence),
  dropMoving: step(scripts.dropMoving, { frees: true }),
};
