import { type BackendMarks, type HoldRef, type LockBackend, LockUnavailableError } from '@holdfast/core';
import type { Machine, Network } from '@holdfast/test/simulation';

/** A backend on the other side of a network on which messages are late or lost. Nobody is woken: those who wait ask. */
export function overNetwork(backend: LockBackend<bigint>, network: Network, machine: Machine): LockBackend<bigint> {
  const ask = async <T>(carryOut: () => Promise<T>): Promise<T> => {
    const { answered } = await network.ask({
      machine,
      carryOut: () => {
        const answer = carryOut();
        answer.catch(() => {});
        return { reply: { answered: answer } };
      },
      ended: () => new LockUnavailableError('the connection ended', { backend: backend.name }),
    });
    return await answered;
  };
  return {
    contract: 1,
    name: backend.name,
    capabilities: { ...backend.capabilities, push: false },
    ...(backend.marks !== undefined && { marks: marksOver(backend.marks, ask) }),
    attempt: (requests, call) => ask(() => backend.attempt(requests, call)),
    renew: (holds, call) => ask(() => backend.renew(holds, call)),
    release: (holds: readonly HoldRef[], call) => ask(() => backend.release(holds, call)),
    inspect: (name, kind, call) => ask(() => backend.inspect(name, kind, call)),
    forceRelease: (name, kind, call) => ask(() => backend.forceRelease(name, kind, call)),
    checkHealth: (call) => ask(() => backend.checkHealth(call)),
    subscribe: () => ({ close: () => {} }),
    close: () => backend.close(),
  };
}

function marksOver(marks: BackendMarks, ask: <T>(carryOut: () => Promise<T>) => Promise<T>): BackendMarks {
  return {
    set: (name, retentionMs, call, setter) => ask(() => marks.set(name, retentionMs, call, setter)),
    has: (name, call) => ask(() => marks.has(name, call)),
    get: (name, call) => ask(async () => (await marks.get?.(name, call)) ?? null),
    delete: (name, call) => ask(async () => (await marks.delete?.(name, call)) === true),
  };
}
