import { type PostgresOptions, type PostgresServer, postgresSpec, startPostgresIn } from './postgres.js';
import { buildInPlace } from './server-place.js';

export interface PostgresWithStandby extends AsyncDisposable {
  /** The one that takes writes. */
  readonly primary: PostgresServer;
  /** Replicates from the primary and answers queries; `select pg_promote()` makes it the primary. */
  readonly standby: PostgresServer;
  /** The primary is gone and the standby was promoted: it is `primary` from now on, and a new standby with its data takes the old one's port. */
  replaceStandby(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a primary and a hot standby with its data. An address cannot stand in for them. */
export async function startPostgresWithStandby(options: PostgresOptions = {}): Promise<PostgresWithStandby> {
  return buildInPlace(postgresSpec, { count: 2 }, async (place) => {
    let primary = await startPostgresIn(place, 0, options);
    let standby = await startPostgresIn(place, 1, { ...options, standbyOf: primary.port });
    return {
      get primary() {
        return primary;
      },
      get standby() {
        return standby;
      },
      async replaceStandby() {
        const gone = primary;
        primary = standby;
        await gone.close();
        standby = await startPostgresIn(place, place.ports.indexOf(gone.port), { ...options, standbyOf: primary.port });
      },
      close: () => place.close(),
      [Symbol.asyncDispose]: () => place.close(),
    };
  });
}
