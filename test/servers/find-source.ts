import { containerEngineAnswers } from './container-runner.js';
import { canInstallWithApt, installWithApt } from './install-with-apt.js';
import { findProgram } from './find-program.js';
import type { ServerSpec } from './server-spec.js';

/** Where a server's processes can be started: from a program of this machine, or in containers. */
export type ProcessSource = { readonly kind: 'binary'; readonly program: string } | { readonly kind: 'container'; readonly image: string };

/** Forces one source instead of the first that is there; for trying each of them. */
const FORCE_VARIABLE = 'HOLDFAST_TEST_SERVERS';
const FORCED = ['binary', 'container', 'apt'] as const;

const found = new Map<string, Promise<ProcessSource>>();

/** The address of a server that runs already, if the environment names one and no source is forced. */
export function findAddress(spec: ServerSpec): string | null {
  if (process.env[FORCE_VARIABLE]) return null;
  return (spec.addressVariable !== null && process.env[spec.addressVariable]) || null;
}

/**
 * Finds out, once a process, where this kind of server can be started: the program on this machine, else a container engine, else
 * apt installs it on Debian as root.
 *
 * @throws Error that says what to install, so that a missing server fails the run instead of skipping tests.
 */
export function findProcessSource(spec: ServerSpec): Promise<ProcessSource> {
  let source = found.get(spec.binary);
  if (!source) {
    source = search(spec);
    found.set(spec.binary, source);
  }
  return source;
}

async function search(spec: ServerSpec): Promise<ProcessSource> {
  const forced = process.env[FORCE_VARIABLE] ?? '';
  if (forced !== '' && !FORCED.some((name) => name === forced)) {
    throw new Error(`${FORCE_VARIABLE} is "${forced}"; it may be ${FORCED.join(', ')}, or unset`);
  }
  // What no container serves stands beside those that come in one: it has the other sources then.
  const isFree = forced === '' || (forced === 'container' && spec.image === null);
  const allowed = (name: (typeof FORCED)[number]): boolean => isFree || forced === name;

  if (allowed('binary')) {
    const program = await findProgram(spec.binary, spec.directories);
    if (program) return { kind: 'binary', program };
  }
  if (spec.image !== null && allowed('container') && (await containerEngineAnswers())) {
    return { kind: 'container', image: process.env[spec.imageVariable] || spec.image };
  }
  if (allowed('apt') && (await canInstallWithApt())) {
    await installWithApt(spec);
    const program = await findProgram(spec.binary, spec.directories);
    if (program) return { kind: 'binary', program };
  }
  const missing = isFree
    ? `there is none${spec.image === null ? '; no container serves for it' : ''}`
    : `${FORCE_VARIABLE}=${forced} did not give one`;
  throw new Error(
    `These tests need ${spec.title}, and ${missing}. One of these helps:\n` +
      `  - install ${spec.binary} (Debian, Ubuntu: apt-get install ${spec.debianPackage})\n` +
      (spec.image === null
        ? ''
        : `  - start a container engine that testcontainers finds (Docker, Podman), for the image ${spec.image}\n`) +
      (spec.addressVariable === null ? '' : `  - set ${spec.addressVariable} to the address of a server that may be used for tests`),
  );
}
