import type { GlideSettings } from './glide-client.js';

/** Our calls have deadlines of their own; what is still not answered then is forgotten. */
const GIVE_UP_MS = 30_000;
const RESP3 = 0;
const BYTES = 0;

/**
 * What every client of our own has in common. GLIDE gives up a request after 250 ms by default, and refuses more than 1,000 at a time; and only a
 * client that was made with a callback hears channels, by RESP3 alone.
 */
export function ownOptions(
  given: GlideSettings,
  hear: (message: { readonly channel: unknown; readonly message: unknown }) => void,
): object {
  return {
    ...given,
    requestTimeout: GIVE_UP_MS,
    inflightRequestsLimit: 1_000_000,
    protocol: RESP3,
    defaultDecoder: BYTES,
    readFrom: 'primary',
    readOnly: undefined,
    lazyConnect: false,
    clientSideCache: undefined,
    clientCircuitBreaker: undefined,
    compression: undefined,
    pubsubSubscriptions: { channelsAndPatterns: {}, callback: hear },
  };
}
