import { type PostgresOptions, type PostgresServer, postgresSpec, startPostgresIn } from './postgres.js';
import { buildInPlace } from './server-place.js';

export interface PostgresWithStandby extends AsyncDisposable {
  readonly primary: PostgresServer;
  /** Replicates from the primary and answers queries; `select pg_promote()` makes it the primary. */
  readonly standby: PostgresServer;
  close(): Promise<void>;
}

/** Starts a primary and a hot standby with its data. An address cannot stand in for them. */
export async function startPostgresWithStandby(options: PostgresOptions = {}): Promise<PostgresWithStandby> {
  return buildInPlace(postgresSpec, { count: 2 }, async (place) => {
    const primary = await startPostgresIn(place, 0, options);
    const standby = await startPostgresIn(place, 1, { ...options, standbyOf: primary.port });
    return { primary, standby, close: () => place.close(), [Symbol.asyncDispose]: () => place.close() };
  });
}
