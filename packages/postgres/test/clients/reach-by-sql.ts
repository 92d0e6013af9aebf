import postgres from 'postgres';

/** What a user makes with postgres.js; it is ended with its case. */
export const reachBySql = (url: string, applicationName: string) => ({
  sql: postgres(url, { max: 6, onnotice: () => {}, connection: { application_name: applicationName } }),
});
