import { connect } from 'node:net';
import type { Finding } from '@holdfast/core';
import { fine, harmful, type Look, unseen } from '@holdfast/core/backend';
import type { HostAndPort } from './tamed-client.js';

/** What an operator should know of each server of the ensemble, by the word `srvr`, which servers answer unless the options say otherwise. */
export async function examineServers(servers: readonly HostAndPort[], timeoutMs: number): Promise<readonly Finding[]> {
  const answers = await Promise.all(servers.map((server) => srvr(server, timeoutMs)));
  const modes = answers.map((answer) => field(answer, 'Mode'));
  const each = servers.flatMap(({ host, port }, index) =>
    looksAt(answers[index] ?? null, modes[index] ?? null).map((look) => ({ server: `${host}:${port}`, ...look })),
  );
  return [...each, { server: 'zookeeper', ...ensemble(servers.length, modes) }];
}

function looksAt(answer: string | null, mode: string | null): readonly Look[] {
  if (answer === null) return [harmful('server', 'it does not answer', 'start it, or name the servers that there are')];
  if (mode === null) {
    const advice = 'name srvr in 4lw.commands.whitelist, or look at its version and mode yourself';
    return [unseen('server', 'it does not answer the word srvr', advice)];
  }
  const number = field(answer, 'Zookeeper version')?.split('-')[0] ?? 'not reported';
  const found = `ZooKeeper ${number}`;
  const [major = 0, minor = 0] = number.split('.').map(Number);
  const isNew = major > 3 || (major === 3 && minor >= 5);
  return [isNew ? fine('version', found) : harmful('version', found, 'use ZooKeeper 3.5 or later'), fine('mode', mode)];
}

function ensemble(named: number, modes: readonly (string | null)[]): Look {
  const about = 'ensemble';
  if (modes.includes('standalone')) {
    return harmful(about, 'one server alone', 'run three servers: with one, every restart stops all locking');
  }
  const seen = modes.filter((mode) => mode !== null).length;
  if (seen === 0) return unseen(about, `none of ${named} answered`, 'see the findings of the servers');
  if (named < 3) {
    return harmful(about, `${named} named`, 'name all servers of the ensemble, so that one that is down costs nothing');
  }
  if (named % 2 === 0) {
    return harmful(about, `${named} servers`, 'use an odd number: an even one bears no more failures than one less');
  }
  return fine(about, `${named} servers, ${seen} reported how they are`);
}

function field(answer: string | null | undefined, name: string): string | null {
  return new RegExp(`^${name}: *(.*)$`, 'm').exec(answer ?? '')?.[1]?.trim() ?? null;
}

/** null when it was not reached; '' when it has nothing to say. */
function srvr({ host, port }: HostAndPort, timeoutMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    let text = '';
    let isOpen = false;
    const socket = connect({ host, port });
    socket.setEncoding('utf8').setTimeout(timeoutMs);
    socket.once('connect', () => {
      isOpen = true;
      socket.end('srvr');
    });
    socket.on('data', (part: string) => {
      text += part;
    });
    socket.once('timeout', () => socket.destroy());
    socket.once('error', () => {});
    socket.once('close', () => resolve(isOpen ? text : null));
  });
}
