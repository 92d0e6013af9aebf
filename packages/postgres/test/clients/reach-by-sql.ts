import postgres from 'postgres';

/**
 * What a user makes with postgres.js; it is ended with its case. Without its look at the types of arrays: the rejection of that statement is nobody's
 * where the end comes first.
 */
export const reachBySql = (url: string, applicationName: string) => ({
  sql: postgres(url, { max: 6, fetch_types: false, onnotice: () => {}, connection: { application_name: applicationName } }),
});
