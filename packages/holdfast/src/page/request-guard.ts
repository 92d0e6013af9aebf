import { timingSafeEqual } from 'node:crypto';

/** A request that is not answered, and why. */
export interface Refusal {
  readonly status: number;
  readonly error: string;
}

/** Host names that lead to this machine wherever they are resolved. */
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Whether a request comes for a host that is ours: a name of the attacker's that leads here (DNS rebinding) makes the attacker's page one origin with ours,
 * and only the name tells them apart.
 */
export function refuseHost(request: Request, hosts: readonly string[]): Refusal | null {
  const host = hostOf(request);
  const name = host.replace(/:\d+$/, '').replace(/\.$/, '');
  if ([...LOOPBACK, ...hosts].some((allowed) => allowed === name || allowed === host)) return null;
  return {
    status: 421,
    error: 'this page is not to be had under this host name; the service that runs it can allow the name (option hosts, or --allow-host)',
  };
}

/** Whether another site's page sent the request. A link that leads to the page may be anywhere; what scripts read and do may not. */
export function refuseOrigin(request: Request, isNavigation: boolean): Refusal | null {
  const foreign: Refusal = { status: 403, error: 'the request comes from another site' };
  const origin = request.headers.get('origin');
  if (origin !== null && !isOwnOrigin(origin, hostOf(request))) return foreign;
  const site = request.headers.get('sec-fetch-site');
  return isNavigation || site === null || site === 'same-origin' || site === 'none' ? null : foreign;
}

/** Whether a request that changes something comes from our own page: it knows the page's token, which no other site can read. */
export function refuseForgery(request: Request, token: string): Refusal | null {
  if (request.headers.get('origin') === null) return { status: 403, error: 'the request does not say from where it comes' };
  const given = Buffer.from(request.headers.get('x-holdfast-token') ?? '');
  const wanted = Buffer.from(token);
  if (given.length === wanted.length && timingSafeEqual(given, wanted)) return null;
  return { status: 403, error: 'the page is older than its server, or not the server’s: load it once more' };
}

function hostOf(request: Request): string {
  return (request.headers.get('host') ?? new URL(request.url).host).toLowerCase();
}

/** Behind a proxy that ends TLS the scheme is another one than here, and the host is the same. */
function isOwnOrigin(origin: string, host: string): boolean {
  try {
    return new URL(origin).host === new URL(`${new URL(origin).protocol}//${host}`).host;
  } catch {
    return false;
  }
}
