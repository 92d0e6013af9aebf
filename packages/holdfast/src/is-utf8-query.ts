/** The character U+FFFD that somebody means; any other is a fault. */
const MEANT = /%EF%BF%BD|\uFFFD/gi;

/** Whether the bytes that stand in a query as `%FF` are UTF-8. `URLSearchParams` makes one and the same character of all that are not. */
export function isUtf8Query(query: string): boolean {
  for (const [name, value] of new URLSearchParams(query.replace(MEANT, '-'))) {
    if (name.includes('\uFFFD') || value.includes('\uFFFD')) return false;
  }
  return true;
}
