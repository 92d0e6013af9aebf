/** Longer ones are refused, and nothing of them is shown: no pattern is let loose on a text of any length. In UTF-16 units; a cluster's hosts fit. */
export const MAX_URL_LENGTH = 65_536;

/** `h`, `h:1`, `[::1]:1`, and lists of them: what may be shown of the hosts. */
const HOSTS = /^(?:[\w.-]*|\[[\da-f:.]+\])(?::\d{1,5})?(?:,(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?)*$/i;
/** A database number or a name: what may be shown of the path. */
const PATH = /^[\w./-]{0,128}$/;
/** As long as hosts may be to be shown: enough for those of a cluster, and not for whatever else somebody has put there. */
const MAX_HOSTS_LENGTH = 1024;

/**
 * A connection URL as it may be shown: without user, password and option values.
 *
 * Not done with `URL`, which knows one host and refuses lists, and which would throw on what is malformed: exactly the
 * URLs that end in error messages. Instead only what is recognised as a scheme, a list of hosts and a path is kept.
 * Credentials end at the last `@` of the whole text, because people forget to escape the `/`, `?`, `#` and `@` of a password.
 *
 * @returns `redis+cluster://***@h1:1,h2:2/0?***`; never throws
 */
export function redactUrl(url: string): string {
  const scheme = /^[a-z][a-z\d+.-]{0,30}:/i.exec(url)?.[0];
  if (scheme === undefined) return '***';
  if (url.length > MAX_URL_LENGTH) return `${scheme.toLowerCase()}***`;
  const slashes = url.startsWith('//', scheme.length) ? '//' : '';
  const rest = url.slice(scheme.length + slashes.length);
  const at = rest.lastIndexOf('@');
  const shown = rest.slice(at + 1);
  const hosts = /^[^/?#]*/.exec(shown)?.[0] ?? '';
  const path = /^[^?#]*/.exec(shown.slice(hosts.length))?.[0] ?? '';
  const query = shown.slice(hosts.length + path.length);
  return [
    scheme.toLowerCase(),
    slashes,
    at < 0 ? '' : '***@',
    hosts.length <= MAX_HOSTS_LENGTH && HOSTS.test(hosts) && !/[\w-]{64}/.test(hosts) ? hosts : '***',
    PATH.test(path) ? path : '/***',
    query === '' ? '' : `${query.charAt(0)}***`,
  ].join('');
}

/** Takes out of a foreign text, such as a driver's error message, whatever of `url` must not be shown. */
export function scrubUrl(text: string, url: string): string {
  let scrubbed = text.replaceAll(url, () => redactUrl(url));
  for (const secret of secretsOf(url)) scrubbed = scrubbed.replaceAll(finderOf(secret), '***');
  return scrubbed;
}

/**
 * The same for the message of a store's failure, but for the words that are ours whatever the store: to take a password out of
 * "the acme backend failed" would tell what it is. All of a backend of ours are, but for what it did not expect itself.
 */
export function scrubFailure(message: string, url: string, isOurs: boolean): string {
  if (message.startsWith(`${redactUrl(url)}: `)) return message;
  const [words = ''] = /^the \S+ backend (?:failed: |did not answer within )/.exec(message) ?? [];
  return isOurs && !words.endsWith('failed: ') ? message : words + scrubUrl(message.slice(words.length), url);
}

/**
 * A short one is found as a word of its own only: each "a" that went would spoil the message, and tell what it was. A long one
 * is no pattern: one that is too large is quoted by the error that says so.
 */
function finderOf(secret: string): RegExp | string {
  if (secret.length > 3) return secret;
  const literal = secret.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, 'gu');
}

/** User and password together and alone, and the option values, as written and decoded; the longest first. */
function secretsOf(url: string): readonly string[] {
  const rest = url.replace(/^[a-z][a-z\d+.-]*:(?:\/\/)?/i, '');
  const at = rest.lastIndexOf('@');
  const user = rest.slice(0, Math.max(at, 0));
  const query = /\?(.*)$/s.exec(rest.slice(at + 1))?.[1] ?? '';
  const found = new Set<string>();
  for (const text of [user, user.slice(user.indexOf(':') + 1), ...query.split('&').map((pair) => pair.slice(pair.indexOf('=') + 1))]) {
    // A number or a switch is no secret, and replacing each "1" would only spoil the message.
    if (text === '' || /^(?:\d{1,3}|true|false)$/.test(text)) continue;
    found.add(text).add(decoded(text));
  }
  return [...found].sort((a, b) => b.length - a.length);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
