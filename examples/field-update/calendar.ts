import pg from 'pg';

/** An event as it was read. `exdates` is one field: the dates at which a recurring event does not take place, as iCalendar has them. */
export interface CalendarEvent {
  readonly id: string;
  readonly exdates: string;
}

/** Somebody who has had the lock since has written. */
export class StaleWriteError extends Error {
  constructor(id: string, token: bigint) {
    super(`event ${id} has been written with a higher token than ${token}`);
    this.name = 'StaleWriteError';
  }
}

/** The calendar, in PostgreSQL. */
export class Calendar {
  readonly #pool: pg.Pool;
  readonly #table: string;

  /** @param run keeps this run's table apart from others'; letters, digits and _ */
  constructor(url: string, run: string) {
    this.#pool = new pg.Pool({ connectionString: url, max: 2, connectionTimeoutMillis: 5_000 });
    // What a broken connection tells is reported by the query that uses it, too.
    this.#pool.on('error', () => {});
    this.#table = pg.escapeIdentifier(`${run}_events`);
  }

  async create(id: string): Promise<void> {
    await this.#pool.query(`CREATE TABLE IF NOT EXISTS ${this.#table} (
      id text PRIMARY KEY, exdates text NOT NULL, fence bigint NOT NULL)`);
    await this.#pool.query(`INSERT INTO ${this.#table} VALUES ($1, '', 0)`, [id]);
  }

  async read(id: string): Promise<CalendarEvent> {
    const { rows } = await this.#pool.query<CalendarEvent>(`SELECT id, exdates FROM ${this.#table} WHERE id = $1`, [id]);
    const [event] = rows;
    if (event === undefined) throw new Error(`there is no event ${id}`);
    return event;
  }

  /** What most programs do: writes over whatever is there. */
  async write(id: string, exdates: string): Promise<void> {
    await this.#pool.query(`UPDATE ${this.#table} SET exdates = $2 WHERE id = $1`, [id, exdates]);
  }

  /**
   * Writes unless a later holder of the lock has written. The check is part of the UPDATE: made before it, a process could
   * be stopped between the two.
   *
   * @throws StaleWriteError
   */
  async writeFenced(id: string, exdates: string, token: bigint): Promise<void> {
    const { rowCount } = await this.#pool.query(`UPDATE ${this.#table} SET exdates = $2, fence = $3 WHERE id = $1 AND fence <= $3`, [
      id,
      exdates,
      // As text: a token exceeds what JavaScript's numbers can hold, and PostgreSQL reads it as the bigint that it is.
      token.toString(),
    ]);
    if (rowCount === 0) throw new StaleWriteError(id, token);
  }

  async drop(): Promise<void> {
    await this.#pool.query(`DROP TABLE IF EXISTS ${this.#table}`);
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

/** The field with one more date in it; the same when it is there already, so that it does no harm to add it again. */
export function withDate(exdates: string, date: string): string {
  const dates = new Set(exdates.split(',').filter(Boolean));
  return [...dates.add(date)].sort().join(',');
}
