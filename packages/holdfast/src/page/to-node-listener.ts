import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { STALLED_MS } from './event-stream.js';

type Reader = ReadableStreamDefaultReader<Uint8Array>;

/** The part of a request that a handler of ours reads; frameworks put `originalUrl` where they have cut the front off. */
type NodeRequest = IncomingMessage & { readonly originalUrl?: unknown };

/**
 * Mounts a handler of requests where Node's own are handed out: `createServer(toNodeListener(page))`, `app.use('/locks', toNodeListener(page))` in
 * Express. A body that the request has is not read: no route of ours takes one. The listener never throws.
 */
export function toNodeListener(
  handler: (request: Request) => Promise<Response>,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (incoming, outgoing) => void serve(handler, incoming, outgoing);
}

/** Never rejects. */
async function serve(handler: (request: Request) => Promise<Response>, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const gone = new AbortController();
  outgoing.on('close', () => gone.abort());
  outgoing.on('error', () => gone.abort());
  try {
    const request = requestOf(incoming, gone.signal);
    await send(request === null ? new Response(null, { status: 400 }) : await handler(request), incoming, outgoing, gone.signal);
  } catch {
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(500).end();
  }
}

/** null where it has no address that is one. */
function requestOf(incoming: NodeRequest, signal: AbortSignal): Request | null {
  const { method = 'GET', originalUrl, url = '/' } = incoming;
  const headers = new Headers();
  for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
    const [name = '', value = ''] = incoming.rawHeaders.slice(at, at + 2);
    // Of HTTP/2 the names that begin with a colon are no headers. One of them is what `Host` is in HTTP/1, and counts before a `Host` beside it.
    if (name === ':authority') headers.set('host', value);
    else if (!name.startsWith(':') && !(name.toLowerCase() === 'host' && headers.has('host'))) headers.append(name, value);
  }
  try {
    const path = typeof originalUrl === 'string' ? originalUrl : url;
    // Behind a fixed host: an address like //other/ must not be taken for one.
    return new Request(`http://localhost/${path.replace(/^\/+/, '')}`, { method, headers, signal });
  } catch {
    return null;
  }
}

async function send(response: Response, incoming: IncomingMessage, outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  const reader: Reader | null = incoming.method === 'HEAD' ? null : (response.body?.getReader() ?? null);
  if (reader === null) {
    await response.body?.cancel();
    outgoing.end();
    return;
  }
  const onGone = (): void => void reader.cancel().catch(() => {});
  gone.addEventListener('abort', onGone, { once: true });
  if (gone.aborted) onGone();
  const over = new AbortController();
  reader.closed.then(
    () => over.abort(),
    () => {
      // Nothing more comes, and who has not read what came so far would keep it here.
      outgoing.destroy();
      over.abort();
    },
  );
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop
    const { done, value } = await reader.read();
    if (done || gone.aborted) break;
    // A client that does not read makes the source wait, not this process's memory grow.
    // oxlint-disable-next-line no-await-in-loop
    if (!outgoing.write(value)) await once(outgoing, 'drain', { signal: over.signal }).catch(() => {});
  }
  outgoing.end();
  outgoing.setTimeout(STALLED_MS, () => outgoing.destroy());
}
