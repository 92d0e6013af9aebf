import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { isLockError, type LockManager } from 'holdfast';
import { createHealthCheck } from './health.js';

/** What the lock protects here: the one place that knows how an invoice is billed. */
export type Bill = (invoice: string, lease: { readonly signal: AbortSignal; readonly fencingToken: bigint }) => Promise<void>;

/** A service that bills each invoice once, however often and wherever it is asked to. */
export function createServer(locks: LockManager<bigint>, bill: Bill): FastifyInstance {
  const app = Fastify({ logger: false });
  const checkHealth = createHealthCheck(locks);
  let isStopping = false;
  app.addHook('preClose', async () => {
    isStopping = true;
  });
  // A connection that is kept alive would keep the service, too.
  app.addHook('onSend', async (_request, reply) => {
    if (isStopping) reply.header('connection', 'close');
  });

  // "Restart me when this fails." The store being away is no reason: a restart would not bring it back.
  app.get('/livez', async () => ({ ok: true }));

  // "Send me no requests while this fails."
  app.get('/readyz', async (_request, reply) => {
    if (isStopping) return await reply.code(503).send({ ok: false, reason: 'stopping' });
    const report = await checkHealth();
    const { ok, backend, latencyMs } = report;
    // The code, and no more: the message may name hosts, and probes are often open to everybody.
    return await reply
      .code(ok ? 200 : 503)
      .send({ ok, backend, latencyMs: Math.round(latencyMs), ...(!ok && { reason: report.error.code }) });
  });

  app.post<{ readonly Params: { readonly id: string } }>('/invoices/:id/bill', async ({ params: { id } }) => {
    await locks.withLock(`invoice:${id}`, { waitMs: 2_000 }, (lease) => bill(id, lease));
    return { billed: id };
  });

  // Each outcome of a lock is another answer to the client.
  app.setErrorHandler(async (error: FastifyError, _request, reply) => {
    // Busy: somebody is at this very invoice. Come again.
    if (isLockError(error, 'LOCK_TIMEOUT')) return await reply.code(409).header('retry-after', '2').send({ error: 'busy' });
    // No lock, so nothing was done.
    if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE'))
      return await reply.code(503).header('retry-after', '5').send({ error: 'unavailable' });
    // Something may have been done, by whom it is not known: not to be repeated blindly.
    if (isLockError(error, 'LOCK_LOST')) return await reply.code(500).send({ error: 'unknown outcome' });
    return await reply.code(error.statusCode ?? 500).send({ error: error.statusCode === undefined ? 'failed' : error.message });
  });
  return app;
}
