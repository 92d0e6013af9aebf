import { createRequire } from 'node:module';
import { LockArgumentError } from '@holdfast/core';

const TERMINUS = '@nestjs/terminus';

/**
 * Refuses a terminus before 11: it reports every answer as healthy, also an answer that says down.
 *
 * @param version of terminus; null where it is not known
 */
export function checkTerminus(version: string | null): void {
  if (version === null || !(Number.parseInt(version, 10) < 11)) return;
  throw new LockArgumentError(
    `LockHealthIndicator: ${TERMINUS} ${version} is installed, which reports a store that is down as healthy; install ${TERMINUS} 11 or later`,
    { option: TERMINUS },
  );
}

/** What is installed; null where nothing can be found, as in a bundle. */
export function terminusVersion(): string | null {
  try {
    const { version } = createRequire(import.meta.url)(`${TERMINUS}/package.json`) as { readonly version?: unknown };
    return typeof version === 'string' ? version : null;
  } catch {
    return null;
  }
}
