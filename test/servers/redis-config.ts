/** Directives of redis.conf; a list gives the directive once for each element, an empty string is written as `""`. */
export type RedisConfig = Readonly<Record<string, string | number | readonly string[]>>;

export function renderRedisConfig(config: RedisConfig): string {
  const lines: string[] = [];
  for (const [directive, value] of Object.entries(config)) {
    const values = Array.isArray(value) ? value : [String(value)];
    for (const each of values) lines.push(`${directive} ${each === '' ? '""' : each}`);
  }
  return `${lines.join('\n')}\n`;
}
