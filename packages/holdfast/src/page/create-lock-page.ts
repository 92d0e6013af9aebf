import { randomBytes } from 'node:crypto';
import { isLockError, type LockKind, type LockManager } from '@holdfast/core';
import { isUtf8Query } from '../is-utf8-query.js';
import { blindSpotOf, LockWatch, MOST_ROWS } from '../view/lock-watch.js';
import { kinds, ofKind } from '../view/of-kind.js';
import { arrange, plainView, sortKeys, type View } from '../view/order.js';
import { eventStream } from './event-stream.js';
import { pageHashes, pageHtml } from './lock-page.generated.js';
import { LookHub, problemOf, type Seen } from './look-hub.js';
import { OwnProcessWatch } from './own-process.js';
import { type LockPageOptions, readManager, readPageOptions, type ResolvedPageOptions } from './page-options.js';
import { type Refusal, refuseForgery, refuseHost, refuseOrigin } from './request-guard.js';

/** The page as a function from requests to answers. */
export interface LockPage extends Disposable {
  /** Answers one request. Never rejects. */
  (request: Request): Promise<Response>;
  /** Stops looking and listening, and ends open streams. The manager stays open. */
  close(): void;
}

/** Each watches over a connection of its own. */
const MOST_CLIENTS = 100;
const MOST_SHOWN = 500;
const MOST_TEXT = 512;

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    `default-src 'none'; script-src '${pageHashes.script}'; style-src '${pageHashes.style}'; connect-src 'self'; base-uri 'none'; ` +
    `form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'`,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/**
 * A page that shows what is held: who holds what, for how long, and who waits. Mount what it returns where requests are `Request`s (Hono), or by
 * `toNodeListener` in Express, Fastify and `node:http`. Looks at the store only while somebody watches. The page has no users of its own: put it behind
 * a proxy or a middleware that knows yours.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http';
 * import { connect } from 'holdfast';
 * import { createLockPage, toNodeListener } from 'holdfast/page';
 *
 * const locks = await connect('memory:');
 * const page = createLockPage(locks, { prefix: 'shop:' });
 * const server = createServer(toNodeListener(page));
 * server.listen(0, '127.0.0.1', () => server.close()); // in this example, closed at once
 * await locks.close();
 * ```
 */
export function createLockPage(manager: LockManager, options?: LockPageOptions): LockPage {
  const handler = new PageHandler(readManager(manager), readPageOptions(options));
  const close = (): void => handler.close();
  return Object.assign((request: Request) => handler.answer(request), { close, [Symbol.dispose]: close });
}

class PageHandler {
  readonly #manager: LockManager;
  readonly #options: ResolvedPageOptions;
  /** What only our own page can know. null: nothing may be changed. */
  readonly #token: string | null;
  readonly #hub: LookHub;
  readonly #own: OwnProcessWatch;
  readonly #clients = new Set<() => void>();
  /** What is shown of the last look, by what was asked: most who watch ask for the same. */
  #messages: { readonly of: Seen; readonly byQuestion: Map<string, string> } | null = null;

  constructor(manager: LockManager, options: ResolvedPageOptions) {
    this.#manager = manager;
    this.#options = options;
    this.#token = options.allowRelease ? randomBytes(16).toString('hex') : null;
    this.#hub = new LookHub(new LockWatch(manager, options), options.clock, options.everyMs);
    this.#own = new OwnProcessWatch(manager.id, options.clock);
  }

  async answer(request: Request): Promise<Response> {
    try {
      return await this.#route(request);
    } catch (error) {
      return json({ error: problemOf(error) }, statusOf(error));
    }
  }

  close(): void {
    this.#hub.close();
    this.#own.close();
    for (const end of this.#clients) end();
  }

  async #route(request: Request): Promise<Response> {
    const { path, hosts } = this.#options;
    const url = new URL(request.url);
    const route = url.pathname.startsWith(path) ? url.pathname.slice(path.length) : null;
    const isPage = route === '' || `${url.pathname}/` === path;
    const refusal = refuseHost(request, hosts) ?? refuseOrigin(request, isPage);
    if (refusal !== null) return refused(refusal);
    if (isPage) {
      if (!isReading(request)) return notAllowed('GET, HEAD');
      return route === '' ? this.#page() : new Response(null, { status: 308, headers: { ...HEADERS, location: path } });
    }
    switch (route) {
      case 'events':
        return request.method === 'GET' ? this.#events(url.searchParams) : notAllowed('GET');
      case 'lock':
        return isReading(request) ? await this.#lock(url) : notAllowed('GET');
      case 'release':
        return request.method === 'POST' ? await this.#release(request, url) : notAllowed('POST');
      default:
        return refused({ status: 404, error: 'there is nothing here' });
    }
  }

  #page(): Response {
    const settings = JSON.stringify({ path: this.#options.path, token: this.#token });
    // A function, as a text would have its $ taken for more than that.
    const html = pageHtml.replace('{{SETTINGS}}', () =>
      settings.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;'),
    );
    return new Response(html, { headers: { ...HEADERS, 'content-type': 'text/html; charset=utf-8' } });
  }

  #events(query: URLSearchParams): Response {
    const wanted = readWanted(query);
    if (wanted === null) return refused({ status: 400, error: 'the question is none that the page asks' });
    if (this.#clients.size >= MOST_CLIENTS) return refused({ status: 503, error: `${MOST_CLIENTS} pages are open already` });
    let end = (): void => {};
    const stream = eventStream({
      message: () => this.#message(wanted),
      listen: (onNews) => {
        const unlisten = this.#hub.listen(onNews);
        // What was seen for others is a second old at most, or so.
        if (this.#hub.seen.look !== null) onNews();
        return unlisten;
      },
      onEnd: () => this.#clients.delete(end),
      clock: this.#options.clock,
    });
    const reader = stream.getReader();
    end = () => void reader.cancel();
    this.#clients.add(end);
    const body = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          // Who reads nothing would not learn of the end by reading.
          reader.closed.then(() => controller.close()).catch((error: unknown) => controller.error(error));
        },
        async pull(controller) {
          const { done, value } = await reader.read();
          if (!done) controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { headers: { ...HEADERS, 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' } });
  }

  #message(wanted: Wanted): string {
    const { seen } = this.#hub;
    if (this.#messages?.of !== seen) this.#messages = { of: seen, byQuestion: new Map() };
    const { byQuestion } = this.#messages;
    const question = JSON.stringify(wanted);
    let message = byQuestion.get(question);
    if (message === undefined) {
      message = JSON.stringify(this.#shown(wanted));
      // No more than can be open at a time, no matter who comes and goes.
      if (byQuestion.size >= MOST_CLIENTS) byQuestion.clear();
      byQuestion.set(question, message);
    }
    return message;
  }

  /** What one client sees: of many rows those that it asked for, and how many it did not. */
  #shown({ view, from, limit }: Wanted): object {
    const { look, problem } = this.#hub.seen;
    const { names } = this.#options;
    const rows = look === null ? [] : arrange(look.rows, view);
    const start = Math.min(from, Math.max(0, Math.ceil(rows.length / limit) - 1) * limit);
    const blindSpot = blindSpotOf(this.#manager, names);
    const notes = [
      ...(look?.isCut === true ? [`More than ${MOST_ROWS} names are held; only so many are shown.`] : []),
      ...(blindSpot === null ? [] : [`${blindSpot}.`]),
    ];
    return {
      store: this.#manager.backend,
      total: look?.rows.length ?? 0,
      isCut: look?.isCut === true,
      fitting: rows.length,
      from: start,
      rows: rows.slice(start, start + limit),
      changesPerSecond: look?.changesPerSecond ?? null,
      problem,
      notes,
      own: this.#own.seen,
    };
  }

  async #lock(url: URL): Promise<Response> {
    const target = this.#targetOf(url);
    if ('error' in target) return refused(target);
    return json(await ofKind(this.#manager, target.name, target.kind).inspect(), 200);
  }

  async #release(request: Request, url: URL): Promise<Response> {
    if (this.#token === null)
      return refused({ status: 403, error: 'this page only shows; the service that runs it can allow more (option allowRelease)' });
    const refusal = refuseForgery(request, this.#token);
    if (refusal !== null) return refused(refusal);
    const target = this.#targetOf(url);
    if ('error' in target) return refused(target);
    return json({ freed: await ofKind(this.#manager, target.name, target.kind).forceRelease() }, 200);
  }

  /** What is not shown may not be looked at or taken away either. */
  #targetOf({ search, searchParams: query }: URL): { readonly name: string; readonly kind: LockKind } | Refusal {
    const name = query.get('name') ?? '';
    const kind = kinds.find((each) => each === query.get('kind'));
    if (!isUtf8Query(search)) return { status: 400, error: 'name must be UTF-8' };
    if (kind === undefined) return { status: 400, error: 'kind must be lock, semaphore or read-write' };
    const { prefix, names } = this.#options;
    if (!name.startsWith(prefix) && !names.includes(name)) return { status: 404, error: 'this page does not show that name' };
    return { name, kind };
  }
}

/** What one client wants to see. */
interface Wanted {
  readonly view: View;
  readonly from: number;
  readonly limit: number;
}

/** null for what the page itself does not ask. */
function readWanted(query: URLSearchParams): Wanted | null {
  const sort = sortKeys.find((key) => key === (query.get('sort') ?? plainView.sort));
  const filter = query.get('filter') ?? '';
  const given = query.get('kind') ?? '';
  const kind = kinds.find((each) => each === given) ?? null;
  const [from, limit] = [Number(query.get('from') ?? 0), Number(query.get('limit') ?? MOST_SHOWN)];
  const isFine =
    sort !== undefined &&
    filter.length <= MOST_TEXT &&
    (given === '' || kind !== null) &&
    isCount(from, 0, MOST_ROWS) &&
    isCount(limit, 1, MOST_SHOWN);
  return isFine ? { view: { sort, filter, kind, isReversed: query.get('reverse') === '1' }, from, limit } : null;
}

function isCount(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function isReading({ method }: Request): boolean {
  return method === 'GET' || method === 'HEAD';
}

function notAllowed(allow: string): Response {
  return json({ error: `only ${allow}` }, 405, { allow });
}

function refused({ status, error }: Refusal): Response {
  return json({ error }, status);
}

function json(value: unknown, status: number, more: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: { ...HEADERS, ...more, 'content-type': 'application/json; charset=utf-8' },
  });
}

function statusOf(error: unknown): number {
  if (isLockError(error, 'LOCK_INVALID_ARGUMENT') || isLockError(error, 'LOCK_UNSUPPORTED')) return 400;
  return isLockError(error) ? 503 : 500;
}
