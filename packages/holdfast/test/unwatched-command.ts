import { spawn } from 'node:child_process';
import process from 'node:process';
import type * as OrphanGuard from '../src/cli/guarded/orphan-guard.js';

// `holdfast run` at the moment after its command has been started, when the guard does not know the command's number yet.
const built = new URL('./cli/guarded/orphan-guard.js', import.meta.resolve('holdfast'));
const { startOrphanGuard } = (await import(built.href)) as typeof OrphanGuard;
const guard = startOrphanGuard(1_000);
const child = spawn('sleep', ['60'], { stdio: 'ignore', detached: true, env: { ...process.env, ...guard.env } });
process.send?.(child.pid);
process.on('disconnect', () => process.exit(1));
