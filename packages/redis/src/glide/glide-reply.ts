/** What GLIDE calls the error replies that it knows, and what the server calls them. */
const CODES: Readonly<Record<string, string>> = {
  Ask: 'ASK',
  BusyLoadingError: 'LOADING',
  ClusterDown: 'CLUSTERDOWN',
  CrossSlot: 'CROSSSLOT',
  ExecAbortError: 'EXECABORT',
  MasterDown: 'MASTERDOWN',
  Moved: 'MOVED',
  NoScriptError: 'NOSCRIPT',
  NotBusy: 'NOTBUSY',
  PermissionDenied: 'NOPERM',
  ReadOnly: 'READONLY',
  ResponseError: 'ERR',
  TryAgain: 'TRYAGAIN',
};

/** Replies are asked for as bytes, because GLIDE fails with a text that is none, such as a key of another program. */
export const BYTES = 0;

/** An error of GLIDE as the port has it: an error reply begins with its code, as the server sent it. */
export function portError(error: unknown): unknown {
  if (!(error instanceof Error) || error.name === 'TimeoutError') return error;
  const { message } = error;
  if (isConnectionError(error)) return connectionError(error);
  // The client refused it, so the server never had it.
  if (/maximum inflight/i.test(message)) return replyError('ERR Reached maximum inflight requests', error);
  const [, kind, text = ''] = /^An error was signalled by the server: - (\w+): ([^]*)$/.exec(message) ?? [];
  if (kind !== undefined) return replyError(`${CODES[kind] ?? 'ERR'} ${text}`, error);
  const [, code, rest = ''] = /^([A-Z][A-Z0-9_]*): ([^]*)$/.exec(message) ?? [];
  return code === undefined ? error : replyError(`${code} ${rest}`, error);
}

/** Whether the connection has gone, or was never made. */
export function isConnectionError(error: unknown): boolean {
  return error instanceof Error && (error.name === 'ConnectionError' || error.name === 'ClosingError');
}

/** Why the server let nobody in stands somewhere within. */
function connectionError(error: Error): Error {
  const { message } = error;
  const [, kind, text] = /signalled by the server: - (\w+): ([^]*)$/.exec(message) ?? [];
  if (kind !== undefined) return replyError(`${CODES[kind] ?? 'ERR'} ${text}`, error);
  if (/no primary node found/i.test(message)) return replyError('READONLY no primary among the addresses', error);
  // It says the same of a port where nobody listens as of a server that does not answer.
  if (/timed? ?out|\b[A-Z]{6,}: /i.test(message)) return error;
  return new Error('the connection is closed', { cause: error });
}

function replyError(message: string, cause: Error): Error {
  const error = new Error(message, { cause });
  error.name = 'ReplyError';
  return error;
}

/** Bytes as texts, and pairs as the list that RESP2 has. */
export function asResp2(reply: unknown): unknown {
  if (reply instanceof Uint8Array) return Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength).toString();
  if (!Array.isArray(reply)) return reply;
  return reply.some(isPair) ? reply.flatMap(({ key, value }) => [asResp2(key), asResp2(value)]) : reply.map(asResp2);
}

function isPair(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'key' in value && 'value' in value;
}
