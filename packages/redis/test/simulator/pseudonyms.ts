const HEAD = /^[01][0-9a-f]{16}$/;
const TOKENS = /(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{16})(?![0-9a-f])/g;

/**
 * Owner tokens and the ids of managers are random, and the order of members of the same score depends on them. On their way to the
 * simulated server they get other names, by the order in which they come: so that a seed does the same each time.
 */
export class Pseudonyms {
  readonly #simulated = new Map<string, string>();
  readonly #real = new Map<string, string>();

  toServer(text: string): string {
    if (text.length < 16) return text;
    // A digit in front of a manager's id: see clock.lua.
    if (HEAD.test(text)) return text.charAt(0) + this.toServer(text.slice(1));
    return text.replace(TOKENS, (token) => {
      const known = this.#simulated.get(token);
      if (known !== undefined) return known;
      const name = (this.#simulated.size + 1).toString(16).padStart(token.length, 'a');
      this.#simulated.set(token, name);
      this.#real.set(name, token);
      return name;
    });
  }

  fromServer(value: unknown): unknown {
    if (typeof value === 'string') return this.real(value);
    return Array.isArray(value) ? value.map((item) => this.fromServer(item)) : value;
  }

  real(text: string): string {
    return text.length < 16 ? text : text.replace(TOKENS, (name) => this.#real.get(name) ?? name);
  }
}
