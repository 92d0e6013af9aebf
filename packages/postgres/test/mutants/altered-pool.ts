import pg from 'pg';

/** What is sent to the server, changed on purpose. */
export type AlterText = (text: string) => string;

interface Sent {
  text: string;
}

/** A pool of the user's whose statements are changed on their way: a backend that is broken, but for which all else is real. */
export function alteredPool(connectionString: string, applicationName: string, alter: AlterText): pg.Pool {
  class AlteredClient extends pg.Client {
    constructor(config?: pg.ClientConfig) {
      super(config);
      const query: unknown = Reflect.get(this, 'query');
      Object.defineProperty(this, 'query', {
        value: (asked: string | Sent, ...rest: readonly unknown[]): unknown => {
          const altered = typeof asked === 'string' ? alter(asked) : { ...asked, text: alter(asked.text) };
          return Reflect.apply(query as (...args: readonly unknown[]) => unknown, this, [altered, ...rest]);
        },
      });
    }
  }
  const pool = new pg.Pool({ connectionString, application_name: applicationName, max: 8, Client: AlteredClient });
  pool.on('error', () => {});
  return pool;
}
