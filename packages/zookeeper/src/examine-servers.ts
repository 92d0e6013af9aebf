import { connect } from 'node:net';
import type { Finding } from '@holdfast/core';
import type { HostAndPort } from './tamed-client.js';

type Look = Omit<Finding, 'server'>;

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
  if (answer === null) {
    return [{ about: 'server', status: 'wrong', found: 'it does not answer', advice: 'start it, or name the servers that there are' }];
  }
  if (mode === null) {
    return [
      {
        about: 'server',
        status: 'unseen',
        found: 'it does not answer the word srvr',
        advice: 'name srvr in 4lw.commands.whitelist, or look at its version and mode yourself',
      },
    ];
  }
  const found = field(answer, 'Zookeeper version')?.split('-')[0] ?? 'not reported';
  const [major = 0, minor = 0] = found.split('.').map(Number);
  const isNew = major > 3 || (major === 3 && minor >= 5);
  return [
    isNew
      ? { about: 'version', status: 'ok', found: `ZooKeeper ${found}` }
      : { about: 'version', status: 'wrong', found: `ZooKeeper ${found}`, advice: 'use ZooKeeper 3.5 or later' },
    { about: 'mode', status: 'ok', found: mode },
  ];
}

function ensemble(named: number, modes: readonly (string | null)[]): Look {
  const about = 'ensemble';
  if (modes.includes('standalone')) {
    return { about, status: 'wrong', found: 'one server alone', advice: 'run three servers: with one, every restart stops all locking' };
  }
  const seen = modes.filter((mode) => mode !== null).length;
  if (seen === 0) return { about, status: 'unseen', found: `none of ${named} answered`, advice: 'see the findings of the servers' };
  if (named < 3) {
    return {
      about,
      status: 'wrong',
      found: `${named} named`,
      advice: 'name all servers of the ensemble, so that one that is down costs nothing',
    };
  }
  if (named % 2 === 0) {
    return {
      about,
      status: 'wrong',
      found: `${named} servers`,
      advice: 'use an odd number: an even one bears no more failures than one less',
    };
  }
  return { about, status: 'ok', found: `${named} servers, ${seen} reported how they are` };
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
