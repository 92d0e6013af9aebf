import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { CliError, usageError } from './cli-error.js';
import { exitCodes } from './exit-codes.js';

/** Asks at the terminal before something is done. @param toDoIt such as "run them" @throws CliError when the answer is no, or there is nobody to ask */
export async function confirm(what: string, toDoIt: string, declined: string): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) throw usageError(`${what} Say --yes to ${toDoIt}.`);
  const dialogue = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C and Ctrl-D end the dialogue, and then a question is never answered.
  const answer = await Promise.race([
    dialogue.question(`${what}\n${toDoIt.charAt(0).toUpperCase()}${toDoIt.slice(1)}? [y/N] `),
    new Promise<string>((resolve) => dialogue.once('close', () => resolve(''))),
  ]).finally(() => dialogue.close());
  if (!/^y(?:es)?$/i.test(answer.trim())) throw new CliError(declined, exitCodes.no, 'DECLINED');
}
