import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Desk, type Job, runJob } from './job.js';
import type { Ledger } from './ledger.js';

/** Somebody who does jobs: in this process, or in one of their own. */
export type Teller = (job: Job, desk: Desk) => Promise<void>;

/** What a teller's process asks of the bank, each answered when it is done. */
export type Request =
  | { readonly id: number; readonly call: 'ready' | 'think' }
  | { readonly id: number; readonly call: 'say'; readonly text: string };
/** What it gets: first its job, then the answers. */
export type Message = { readonly job: Job } | { readonly answerTo: number };
/** What it says last. */
export interface Failure {
  readonly failure: string;
}

export function createTeller(ledger: Ledger): Teller {
  return (job, desk) => runJob(job, desk, ledger);
}

/** Each job in an operating-system process of its own, which ends with the job, or with this process. */
export const tellerInOwnProcess: Teller = (job, desk) =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./teller-process.js', import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    let failure: string | undefined;
    const tell = (message: Message): void => {
      if (child.connected) child.send(message);
    };
    const answer = async (request: Request): Promise<void> => {
      if (request.call === 'say') return await desk.say(request.text);
      if (request.call === 'ready') await desk.say(`is process ${child.pid}`);
      await desk[request.call]();
    };
    child.on('message', (message: Request | Failure) => {
      if ('failure' in message) failure = message.failure;
      else {
        answer(message).then(() => tell({ answerTo: message.id }), reject);
      }
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(failure ?? `the process of ${job.teller} ended with ${signal ?? `code ${code}`}`));
    });
    tell({ job });
  });
