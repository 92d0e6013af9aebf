import { MOST_HANDSHAKE_MS } from './session-health.js';
import type { HostAndPort, SessionIdentity } from './tamed-client.js';
import type { Driver } from './zookeeper-client.js';
import { Connection, type ConnectionSettings } from './zookeeper-connection.js';

/** How many are remembered: they end by themselves, too. */
const MOST = 10;

/**
 * Sessions that were given up and may still stand on the servers. They are not tried for again, because on a half-open network each try would
 * prolong their life.
 */
export class AbandonedSessions {
  readonly #settings: ConnectionSettings;
  #identities: readonly SessionIdentity[] = [];

  constructor(settings: ConnectionSettings) {
    this.#settings = settings;
  }

  add(identity: SessionIdentity): void {
    this.#identities = [...this.#identities, identity].slice(-MOST);
  }

  /** A server can be reached: ends them there, so that their nodes do not stand for the rest of their time. */
  closeAll(driver: Driver, server: HostAndPort): void {
    const identities = this.#identities;
    this.#identities = [];
    for (const identity of identities) {
      const connection: Connection = new Connection(driver, server, this.#settings, identity, {
        onOpen: () => void connection.close(),
        onEnd: () => timer.cancel(),
      });
      const drop = (): void => connection.drop('the server did not answer the handshake');
      const timer = this.#settings.clock.setTimer(MOST_HANDSHAKE_MS, drop);
    }
  }
}
