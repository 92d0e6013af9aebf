import process from 'node:process';
import { type CallContext, type Finding, isLockError, type LockBackend, LockUnavailableError, systemClock } from '@holdfast/core';
import { closeQuietly, openBackend } from '../../open-backend.js';
import { redactUrl } from '../../redact-url.js';
import { settingsOf } from '../../settings.js';
import { failureOf } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';
import { inItsFile, resolveStore, type StoreConfig, type StoreOptions } from '../open-store.js';
import type { Output, Style } from '../output.js';
import { printable } from '../printable.js';

const WHERE = 'doctor';
/** How long the whole look may take. */
const LOOK_MS = 10_000;
const MARKS: Readonly<Record<Finding['status'], readonly [string, Style]>> = {
  ok: ['ok', 'green'],
  wrong: ['wrong', 'red'],
  unseen: ['not seen', 'yellow'],
};

/** `holdfast doctor`: looks at the configuration and at the server, says what is wrong for locks and what to set, and changes nothing. */
export async function doctor(options: StoreOptions & { readonly json?: boolean }, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  const url = redactUrl(config.url);
  const findings = [...ofConfig(config), ...(await ofServer(config))].map((finding) => scrubbed(finding, output));
  const count = (status: Finding['status']): number => findings.filter((finding) => finding.status === status).length;
  const [wrong, unseen] = [count('wrong'), count('unseen')];
  if (options.json) output.printJson({ ok: wrong === 0, url, wrong, unseen, findings });
  else print(findings, `${count('ok')} ok, ${wrong} wrong, ${unseen} not seen`, wrong === 0, output);
  return wrong === 0 ? exitCodes.ok : exitCodes.no;
}

/** @throws what `connect` throws where the store was not reached, or the configuration is wrong */
async function ofServer(config: StoreConfig): Promise<readonly Finding[]> {
  let backend: LockBackend | undefined;
  try {
    ({ backend } = await openBackend(WHERE, settingsOf(WHERE, looking(config), undefined)));
    if (backend.examine === undefined) {
      return [{ server: backend.name, about: 'server', status: 'unseen', found: 'this backend knows no way of looking at its server' }];
    }
    return await inTime(backend.name, (call) => backend?.examine?.(call) ?? []);
  } catch (error) {
    // What the backend refuses permanently is what the doctor is asked about.
    if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.retryable && backend !== undefined) {
      return [{ server: backend.name, about: 'server', status: 'wrong', found: failureOf(error).message }];
    }
    throw inItsFile(config, error);
  } finally {
    await closeQuietly(backend);
  }
}

/** Under a deadline that keeps the process meanwhile: an idle connection does not. */
async function inTime<T>(backend: string, look: (call: CallContext) => PromiseLike<T> | T): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      controller.abort();
      reject(new LockUnavailableError(`the server did not answer within ${LOOK_MS} ms`, { backend }));
    }, LOOK_MS);
  });
  try {
    return await Promise.race([look({ timeoutMs: LOOK_MS, signal: controller.signal, clock: systemClock }), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A server that may evict keys is looked at, too, instead of being refused. */
function looking(config: StoreConfig): StoreConfig {
  if (!/^(?:redis|rediss|redlock|redlocks)(?:\+[a-z]+)?:/i.test(config.url) || /[?&]allowEviction=/.test(config.url)) return config;
  return Object.create(config, { allowEviction: { value: true, enumerable: true } }) as StoreConfig;
}

/** What can be said without a server. */
function ofConfig(config: StoreConfig): readonly Finding[] {
  const { ttlMs, commandTimeoutMs = 2_000, waitMs } = config;
  const server = 'configuration';
  const findings: Finding[] = [];
  if (/^memory:/i.test(config.url)) {
    findings.push({
      server,
      about: 'url',
      status: 'wrong',
      found: 'memory: is this process only',
      advice: 'name a store that all processes share',
    });
  }
  if (ttlMs !== undefined && ttlMs < 3 * commandTimeoutMs) {
    const found = `${ttlMs} ms with commandTimeoutMs ${commandTimeoutMs}`;
    const advice = `set ttlMs to ${3 * commandTimeoutMs} or more: one slow answer leaves no time for a second renewal`;
    findings.push({ server, about: 'ttlMs', status: 'wrong', found, advice });
  }
  if (waitMs === undefined) {
    findings.push({ server, about: 'waitMs', status: 'ok', found: 'none: acquire waits until it is aborted; web services set one' });
  }
  const [major = 0] = process.versions.node.split('.').map(Number);
  findings.push({ server, about: 'node', status: major >= 20 ? 'ok' : 'wrong', found: process.versions.node });
  return findings;
}

function scrubbed(finding: Finding, output: Output): Finding {
  return { ...finding, server: output.scrub(finding.server), found: output.scrub(finding.found) };
}

function print(findings: readonly Finding[], summary: string, isWell: boolean, output: Output): void {
  for (const { server, about, status, found, advice } of findings) {
    const [word, style] = MARKS[status];
    output.print(`${output.style(style, word.padEnd(9))} ${printable(`${server}  ${about}: ${found}`)}`);
    if (advice !== undefined) output.print(`          ${printable(advice)}`);
  }
  output.print(`\n${output.style(isWell ? 'green' : 'red', summary)}`);
}
