import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { type CallContext, LockUnavailableError } from '@holdfast/core';
import { within } from '@holdfast/core/backend';

/** What an answer of the gateway may have; numbers of 64 bits come as text. */
export interface Reply {
  readonly header?: { readonly revision?: string };
  readonly succeeded?: boolean;
  readonly responses?: readonly {
    readonly response_range?: Range;
    readonly response_txn?: Reply;
    readonly response_delete_range?: { readonly deleted?: string };
  }[];
  readonly kvs?: readonly KeyValue[];
  readonly deleted?: string;
  readonly more?: boolean;
  readonly result?: {
    readonly created?: boolean;
    readonly TTL?: string;
    readonly events?: readonly { readonly kv?: { readonly key?: string } }[];
  };
  readonly ID?: string;
  readonly TTL?: string;
  readonly errors?: readonly string[];
}
export interface Range {
  readonly kvs?: readonly KeyValue[];
}
export interface KeyValue {
  readonly key: string;
  readonly value?: string;
  readonly create_revision: string;
  readonly lease?: string;
}

/** How long a request may take, by whose clock. */
export type Limits = Pick<CallContext, 'clock' | 'timeoutMs'>;

/** At most so many requests at a time: a connection carries one. */
const MOST_CONNECTIONS = 6;
/** Codes of gRPC. */
const NOT_FOUND = 5;
const [PERMISSION_DENIED, UNAUTHENTICATED] = [7, 16];

/** etcd's JSON gateway: each call is a POST. With several servers, the next one after each failure. */
export class Gateway {
  readonly #urls: readonly URL[];
  readonly #agents = {
    'http:': new HttpAgent({ keepAlive: true, maxSockets: MOST_CONNECTIONS }),
    'https:': new HttpsAgent({ keepAlive: true, maxSockets: MOST_CONNECTIONS }),
  };
  readonly #open = new Set<ClientRequest>();
  #at = 0;
  #isClosed = false;

  /** @param urls of the servers of one cluster, such as `http://127.0.0.1:2379` */
  constructor(urls: readonly string[]) {
    this.#urls = urls.map((url) => new URL(url));
    const other = this.#urls.find(({ protocol }) => !(protocol in this.#agents));
    if (other !== undefined || urls.length === 0)
      throw new TypeError('etcd needs at least one URL, and each begins with http:// or https://');
  }

  /** @throws LockUnavailableError when no answer came in time, or etcd has refused */
  async post(path: string, body: unknown, { clock, timeoutMs }: Limits): Promise<Reply> {
    let request: ClientRequest | undefined;
    try {
      const text = new Promise<string>((resolve, reject) => {
        request = this.#send(path, body, reject, (response) => {
          let received = '';
          response.setEncoding('utf8');
          response.on('data', (part: string) => {
            received += part;
          });
          response.once('close', () => reject(new Error('the connection ended within an answer')));
          response.once('end', () => resolve(received));
        });
      });
      return read(await within(clock, timeoutMs, text));
    } catch (error) {
      request?.destroy();
      this.#at += 1;
      throw unavailable(error);
    }
  }

  /** An answer that goes on: `receive` gets each part, `end` is called once, when there will be no more. */
  stream(path: string, body: unknown, receive: (part: Reply) => void, end: () => void): { close(): void } {
    let rest = '';
    const request = this.#send(path, body, end, (response) => {
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        const lines = (rest + part).split('\n');
        rest = lines.pop() ?? '';
        try {
          for (const line of lines) if (line !== '') receive(read(line));
        } catch {
          request.destroy();
        }
      });
      response.once('close', end);
    });
    return { close: () => request.destroy() };
  }

  close(): void {
    this.#isClosed = true;
    for (const request of this.#open) request.destroy();
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #send(path: string, body: unknown, fail: (error: Error) => void, answered: (response: IncomingMessage) => void): ClientRequest {
    const url = this.#urls[this.#at % this.#urls.length] as URL;
    const [send, agent] = url.protocol === 'http:' ? [httpRequest, this.#agents['http:']] : [httpsRequest, this.#agents['https:']];
    // A stream takes its connection for itself.
    const request = send(new URL(`/v3/${path}`, url), { method: 'POST', agent: path === 'watch' ? false : agent });
    this.#open.add(request);
    request.once('close', () => this.#open.delete(request));
    request.once('error', fail);
    request.once('response', answered);
    // What is pending keeps the process by itself: core sees to that.
    request.once('socket', (socket) => socket.unref());
    if (this.#isClosed) request.destroy(new Error('the backend is closed'));
    else request.end(JSON.stringify(body));
    return request;
  }
}

/** etcd has answered, and has not done it. */
class RefusedError extends Error {
  readonly code: number;

  constructor(message: string, code: number) {
    super(message);
    this.name = 'RefusedError';
    this.code = code;
  }
}

export function unavailable(error: unknown, details: { readonly wasSent?: boolean } = {}): LockUnavailableError {
  if (error instanceof LockUnavailableError) return error;
  const message = `etcd: ${error instanceof Error ? error.message : String(error)}`;
  const code = error instanceof RefusedError ? error.code : 0;
  const retryable = code !== PERMISSION_DENIED && code !== UNAUTHENTICATED;
  return new LockUnavailableError(message, { backend: 'etcd', cause: error, retryable, ...details });
}

/** Whether etcd says that what the request is about is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof LockUnavailableError && error.cause instanceof RefusedError && error.cause.code === NOT_FOUND;
}

/** Only an object is a reply, and one that says `error` is a refusal. */
function read(text: string): Reply {
  const reply: unknown = JSON.parse(text);
  if (typeof reply !== 'object' || reply === null) throw new TypeError('a reply is not an object');
  if (!('error' in reply)) return reply;
  const reason = typeof reply.error === 'string' ? reply.error : 'an error without a text';
  throw new RefusedError(reason, 'code' in reply ? Number(reply.code) : 0);
}
