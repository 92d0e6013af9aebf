import { failureOf } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { redactUrl } from '../../redact-url.js';
import { isLockError } from '@holdfast/core';

/** `holdfast health`: takes and frees a random lock. What a probe or a person wants to know: the answer, and how fast it came. */
export async function health(options: StoreOptions & { readonly json?: boolean }, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  const url = redactUrl(config.url);
  try {
    // The first contact has connected and loaded what there is to load: the second shows what a call takes.
    return await withManager(config, async (manager) => {
      const report = await manager.checkHealth();
      if (!report.ok) throw report.error;
      const latencyMs = Math.round(report.latencyMs * 100) / 100;
      const { capabilities } = manager;
      if (options.json) output.printJson({ ok: true, backend: report.backend, url, latencyMs, capabilities });
      else {
        const can = Object.entries(capabilities).flatMap(([name, value]) => (value === true ? [name] : []));
        output.print(`${output.style('green', 'ok')}  ${report.backend} at ${url} took and freed a lock in ${latencyMs} ms`);
        output.print(
          `    it has: ${can.join(', ')}; a dead holder's locks end ${capabilities.expiry === 'ttl' ? 'by their time to live' : 'with its session'}`,
        );
      }
      return exitCodes.ok;
    });
  } catch (error) {
    if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw error;
    const { message, code, exitCode } = failureOf(error);
    if (!options.json) throw error;
    output.printJson({
      ok: false,
      backend: error.backend,
      url,
      error: { code, message: output.scrub(message), retryable: error.retryable },
    });
    return exitCode;
  }
}
