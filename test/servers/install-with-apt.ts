import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { findProgram } from './find-program.js';
import type { ServerSpec } from './server-spec.js';

/**
 * Arguments: the program, the package, patterns for the program outside of PATH. Under a lock, since test processes run side by side: the second finds the work done.
 * policy-rc.d is Debian's own way to say that an installation must not start a service; an existing policy is left alone and put
 * back by not being touched. systemctl keeps it from starting at the next boot.
 */
const SCRIPT = `
set -eu
command -v "$1" >/dev/null && exit 0
# Where programs of this package are that PATH does not name.
ls $3 >/dev/null 2>&1 && exit 0
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' INT TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' >"$policy"
  chmod 755 "$policy"
fi
install() { apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "$1"; }
install "$2" || { apt-get -o DPkg::Lock::Timeout=300 update -q && install "$2"; }
if command -v systemctl >/dev/null; then systemctl disable "$2" || true; fi
`;

/** True on Debian and its descendants for root, who is the only one that apt obeys without a password. */
export async function canInstallWithApt(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID(_LIKE)?=.*debian/m.test(release) && (await findProgram('apt-get')) !== null;
}

/** Installs the package of a server, says so on stderr, and leaves no service of the package running. */
export async function installWithApt(spec: Pick<ServerSpec, 'binary' | 'debianPackage' | 'directories'>): Promise<void> {
  console.error(`holdfast tests: no ${spec.binary} and no container engine here, so apt-get installs ${spec.debianPackage}`);
  const child = spawn(
    'flock',
    ['/run/lock/holdfast-apt', 'sh', '-c', SCRIPT, 'holdfast-apt', spec.binary, spec.debianPackage, elsewhere(spec)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`apt-get could not install ${spec.debianPackage} (exit ${code}). It printed:\n${output.slice(-4_000)}`);
  console.error(`holdfast tests: ${spec.debianPackage} is installed`);
}

function elsewhere(spec: Pick<ServerSpec, 'binary' | 'directories'>): string {
  return (spec.directories ?? []).map((directory) => `${directory}/${spec.binary}`).join(' ') || '/nonexistent';
}
