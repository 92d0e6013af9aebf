import type { World } from '@holdfast/test/simulation';

/** What has happened, a line each, for people. Kept only where somebody will read it. */
export class History {
  readonly isOn: boolean;
  readonly lines: string[] = [];
  readonly #world: World;
  readonly #owners = new Map<string, string>();

  constructor(world: World, isOn: boolean) {
    this.#world = world;
    this.isOn = isOn;
  }

  /** A short name for an owner token, the same in every run. */
  nameOf(owner: string): string {
    let name = this.#owners.get(owner);
    if (name === undefined) {
      name = `#${this.#owners.size + 1}`;
      this.#owners.set(owner, name);
    }
    return name;
  }

  /** @param what is asked only when the history is kept */
  add(who: string, what: () => string): void {
    if (this.isOn) this.lines.push(`${this.#world.now.toFixed(1).padStart(9)}  ${who.padEnd(10)} ${what()}`);
  }
}
