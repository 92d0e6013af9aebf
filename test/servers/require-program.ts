import { findProgram } from './find-program.js';
import { canInstallWithApt, installWithApt } from './install-with-apt.js';
import type { ServerSpec } from './server-spec.js';

/**
 * The full path of a program that a test runs beside the servers. What is missing is installed where apt can do that.
 *
 * @throws what is to be installed
 */
export async function requireProgram(program: Pick<ServerSpec, 'binary' | 'debianPackage'>): Promise<string> {
  const found = await findProgram(program.binary);
  if (found !== null) return found;
  if (await canInstallWithApt()) {
    await installWithApt(program);
    const installed = await findProgram(program.binary);
    if (installed !== null) return installed;
  }
  throw new Error(`these tests need ${program.binary} (Debian, Ubuntu: apt-get install ${program.debianPackage})`);
}
