import type { Answer, CallContext, HoldRequest, LockBackend, LockState } from '@holdfast/core';
import type { SimulatedClient } from './client.js';
import { altered } from './mutant.js';

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
export function observed(whole: LockBackend<bigint>, client: SimulatedClient, observer: BackendObserver): LockBackend<bigint> {
  return altered<LockBackend<bigint>>(whole, (backend) => ({
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
    async release(holds, call) {
      for (const { owner, next } of holds) {
        observer.releasing(client, owner);
        if (next !== undefined) observer.asked(client, next);
      }
      try {
        const answers = await backend.release(holds, call);
        for (const [index, { owner, next }] of holds.entries()) {
          const answer = answers[index];
          observer.released(client, owner, typeof answer === 'object' ? answer.wasOurs : answer === true);
          if (next !== undefined && typeof answer === 'object')
            observer.answered(client, next, (answer.next as Answer<bigint> | null | undefined) ?? { granted: false, remainingMs: null });
        }
        return answers;
      } catch (error) {
        for (const { next } of holds) if (next !== undefined) observer.failed(client, next, error);
        throw error;
      }
    },
    async inspect(name, kind, call) {
      const state = await backend.inspect(name, kind, call);
      observer.inspected(client, state);
      return state;
    },
    ...(backend.wait !== undefined && {
      async wait(request: HoldRequest, call: CallContext) {
        observer.asked(client, request);
        const onQueued = (): void => {
          observer.queued(client, request);
          call.onQueued?.();
        };
        try {
          const { timeoutMs, clock, signal } = call;
          const answer = await (backend.wait as NonNullable<typeof backend.wait>)(request, { timeoutMs, clock, onQueued, signal });
          observer.answered(client, request, answer);
          return answer;
        } catch (error) {
          observer.failed(client, request, error);
          throw error;
        }
      },
    }),
  }));
}
