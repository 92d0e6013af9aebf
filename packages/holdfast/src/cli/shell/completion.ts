import type { Command } from 'commander';
import { bashCompletion } from './bash.js';
import { treeOf } from './command-tree.js';
import { fishCompletion } from './fish.js';
import { zshCompletion } from './zsh.js';

export const shells = ['bash', 'zsh', 'fish'] as const;

const writers = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** The script that a shell reads to complete what people type. */
export function completion(shell: (typeof shells)[number], program: Command): string {
  return writers[shell](treeOf(program)).trimEnd();
}
