import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'holdfast';
import { createServer } from './server.js';

const USAGE = `A web service with a lock on each invoice, and the two questions that an orchestrator asks.

  HOLDFAST_URL=redis://localhost:6379 PORT=3000 node examples/dist/health-endpoint/main.js

  curl -i localhost:3000/readyz                       200 while locks can be had, else 503
  curl -i localhost:3000/livez                        200 while the process answers
  curl -i -X POST localhost:3000/invoices/42/bill     200, 409 busy, 503 no store
`;

/** How long requests that are under way may take when the service is asked to end. */
const DRAIN_MS = 5_000;

if (process.argv.length > 2) {
  process.stdout.write(USAGE);
} else {
  const locks = await connect({ require: ['fencing'] });
  const server = createServer(locks, async (invoice, { signal, fencingToken }) => {
    // A real one would end early when the signal aborts, and hand the token to the table of invoices.
    await sleep(Number(process.env['BILLING_MS'] ?? 500), undefined, { signal });
    process.stdout.write(`invoice ${invoice} billed under token ${fencingToken}\n`);
  });
  await server.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) });
  process.stdout.write(`listening on ${server.listeningOrigin}\n`);

  // First no more requests, then the locks of those that were under way, then the end.
  const stop = async (): Promise<void> => {
    await Promise.all([server.close(), locks.close({ drainMs: DRAIN_MS })]);
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
}
