import { AssertionError } from 'node:assert';
import { readFileSync } from 'node:fs';
import type { ConformanceCase } from './conformance-case.js';

/** What a failed case has to say. */
export interface CaseFailure {
  /** What was not as it should be. */
  readonly message: string;
  /** The statement of the case that noticed it, with its place; null where something else threw. */
  readonly statement: string | null;
  /** What the store was asked, a line for each call. */
  readonly history: readonly string[];
}

/** How a case failed. Its message says it all for runners that show nothing else. */
export class ConformanceError extends Error {
  readonly failure: CaseFailure;

  constructor({ rule }: ConformanceCase, cause: unknown, history: readonly string[]) {
    const failure = { message: messageOf(cause), statement: statementOf(cause), history };
    super(
      [
        failure.message,
        ...(failure.statement === null ? [] : [`  checked by: ${failure.statement}`]),
        `  rule (${rule.id}): ${rule.says}`,
        `  why: ${rule.why}`,
        `  look at: ${placesOf(rule.lookAt)}`,
        ...(history.length === 0 ? [] : ['  what the store was asked:', ...history.map((line) => `  ${line}`)]),
      ].join('\n'),
      { cause },
    );
    this.name = 'ConformanceError';
    this.failure = failure;
  }
}

/** Where in a backend to look, for people. */
export function placesOf(lookAt: readonly string[]): string {
  return lookAt.length === 0 ? 'the manager: core alone keeps this rule' : lookAt.map((name) => `LockBackend.${name}`).join(', ');
}

/** "Expected values to be strictly equal" alone says nothing. */
function messageOf(error: unknown): string {
  if (error instanceof AssertionError && error.generatedMessage) return `expected ${shown(error.expected)}, got ${shown(error.actual)}`;
  return error instanceof Error ? error.message : String(error);
}

function shown(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || value === null || value instanceof Error) return String(value);
  try {
    return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner)).slice(0, 400);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

const SHOWN_LINES = 6;

/** The line of a case in which the error came up, as it stands in the file. Runners that compile show the sources beside ours. */
function statementOf(error: unknown): string | null {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const match = /((?:file:\/\/)?\/[^\s()]*\/conformance\/cases\/([\w-]+\.[jt]s)):(\d+):\d+/.exec(stack);
  if (match === null) return null;
  const [, path = '', file = '', line = ''] = match;
  const place = `${file}:${line}`;
  try {
    const text = readFileSync(path.startsWith('file:') ? new URL(path) : path, 'utf8');
    const lines = text.split('\n').slice(Number(line) - 1, Number(line) - 1 + SHOWN_LINES);
    const end = lines.findIndex((one) => one.trimEnd().endsWith(';'));
    return `${place}: ${lines
      .slice(0, end + 1 || 1)
      .map((one) => one.trim())
      .join(' ')}`;
  } catch {
    return place;
  }
}
