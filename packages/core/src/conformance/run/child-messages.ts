import type { CaseRun } from './case-executor.js';

/** What a supervisor sends to its child. */
export interface RunMessage {
  readonly run: string;
}

/** What the child sends back. */
export type ChildMessage =
  | { readonly ready: true; readonly versions: Readonly<Record<string, string>> }
  | { readonly id: string; readonly outcome: CaseRun }
  | { readonly stray: string }
  /** Said every `ALIVE_MS`: its event loop turns. */
  | { readonly alive: true };

export const ALIVE_MS = 500;
