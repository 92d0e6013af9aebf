import type { Answer, HoldRequest, LockBackend, LockState, Release } from '@holdfast/core';
import type { SimulatedClient } from './client.js';

/** Hears what a backend answers to a manager. */
export interface BackendObserver {
  asked(client: SimulatedClient, request: HoldRequest): void;
  answered(client: SimulatedClient, request: HoldRequest, answer: Answer<bigint>): void;
  queued(client: SimulatedClient, request: HoldRequest): void;
  failed(client: SimulatedClient, request: HoldRequest, error: unknown): void;
  inspected(client: SimulatedClient, state: LockState): void;
  renewed(client: SimulatedClient, owner: string, stands: boolean | null): void;
  releasing(client: SimulatedClient, owner: string): void;
  released(client: SimulatedClient, owner: string, answer: boolean): void;
}

/** The same backend, with somebody who listens. */
export function observed(backend: LockBackend<bigint>, client: SimulatedClient, observer: BackendObserver): LockBackend<bigint> {
  const { wait, announce, subscribe, partition, onLost, remainingMs, marks } = backend;
  return {
    contract: backend.contract,
    name: backend.name,
    capabilities: backend.capabilities,
    ...(backend.requestsExpire !== undefined && { requestsExpire: backend.requestsExpire }),
    ...(backend.tellsQueued !== undefined && { tellsQueued: backend.tellsQueued }),
    ...(backend.takesNext !== undefined && { takesNext: backend.takesNext }),
    async attempt(requests, call) {
      for (const request of requests) observer.asked(client, request);
      try {
        const answers = await backend.attempt(requests, call);
        for (const [index, request] of requests.entries()) {
          const answer = answers[index];
          if (answer !== undefined) observer.answered(client, request, answer);
        }
        return answers;
      } catch (error) {
        for (const request of requests) observer.failed(client, request, error);
        throw error;
      }
    },
    async renew(holds, call) {
      const answers = await backend.renew(holds, call);
      for (const [index, { owner }] of holds.entries()) observer.renewed(client, owner, answers[index] ?? null);
      return answers;
    },
    async release(holds: readonly Release[], call) {
      for (const { owner } of holds) observer.releasing(client, owner);
      const followers = holds.flatMap(({ next }) => next ?? []);
      for (const next of followers) observer.asked(client, next);
      try {
        const answers = await backend.release(holds, call);
        for (const [index, { owner, next }] of holds.entries()) {
          const answer = answers[index];
          observer.released(client, owner, typeof answer === 'object' ? answer.wasOurs : answer === true);
          if (next !== undefined && typeof answer === 'object' && answer.next)
            observer.answered(client, next, answer.next as Answer<bigint>);
        }
        return answers;
      } catch (error) {
        for (const next of followers) observer.failed(client, next, error);
        throw error;
      }
    },
    async inspect(name, kind, call) {
      const state = await backend.inspect(name, kind, call);
      observer.inspected(client, state);
      return state;
    },
    forceRelease: (name, kind, call) => backend.forceRelease(name, kind, call),
    checkHealth: (call) => backend.checkHealth(call),
    close: () => backend.close(),
    ...(wait && {
      async wait(request, call) {
        observer.asked(client, request);
        const onQueued = (): void => {
          observer.queued(client, request);
          call.onQueued?.();
        };
        try {
          const answer = await wait.call(backend, request, { timeoutMs: call.timeoutMs, clock: call.clock, onQueued, signal: call.signal });
          observer.answered(client, request, answer);
          return answer;
        } catch (error) {
          observer.failed(client, request, error);
          throw error;
        }
      },
    }),
    ...(announce && { announce: (request, line) => announce.call(backend, request, line) }),
    ...(subscribe && { subscribe: (request, wake) => subscribe.call(backend, request, wake) }),
    ...(partition && { partition: (name) => partition.call(backend, name) }),
    ...(onLost && { onLost: (listener) => onLost.call(backend, listener) }),
    ...(remainingMs && { remainingMs: (owner) => remainingMs.call(backend, owner) }),
    ...(marks && { marks }),
  };
}
