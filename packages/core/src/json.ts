/** A copy that JSON.stringify accepts: bigints become decimal strings, at any depth; cycles are cut. */
export function toJsonValue(value: unknown, seen: readonly unknown[] = []): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (seen.includes(value)) return undefined;
  const path = [...seen, value];
  if (Array.isArray(value)) return value.map((item) => toJsonValue(item, path));
  if (seen.length > 0 && hasToJSON(value)) return value.toJSON();
  if (value instanceof Error) return { name: value.name, message: value.message };
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJsonValue(item, path)]));
}

/** Adds a non-enumerable `toJSON` to a plain value that may hold bigints. */
export function withToJSON<T extends object>(value: T): T {
  return Object.defineProperty(value, 'toJSON', { value: () => toJsonValue({ ...value }), enumerable: false });
}

function hasToJSON(value: object): value is { toJSON(): unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function';
}
