/** Whether an object or a function has these methods. A getter that throws has none: the package `redis` 4 has one. */
export function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return names.every((name) => {
    try {
      return typeof (value as Readonly<Record<string, unknown>>)[name] === 'function';
    } catch {
      return false;
    }
  });
}
