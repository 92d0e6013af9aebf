/** How a driver with one event for all channels listens. */
export interface ChannelDriver {
  /** Hands every message to `hear`; returns what stops that. Left out where the driver hands them to `ChannelEars.hear` anyway. */
  begin?(hear: (channel: string, text: string) => void): () => void;
  subscribe(channel: string): Promise<unknown>;
  /** undefined where there is no connection any more. */
  unsubscribe(channel: string): Promise<unknown> | undefined;
}

/** Who hears which channel of one connection. */
export class ChannelEars {
  readonly #driver: ChannelDriver;
  readonly #ears = new Map<string, (text: string) => void>();
  #stop: (() => void) | null = null;

  constructor(driver: ChannelDriver) {
    this.#driver = driver;
  }

  hear(channel: string, text: string): void {
    this.#ears.get(channel)?.(text);
  }

  async listen(channel: string, onMessage: (text: string) => void): Promise<() => void> {
    this.#stop ??= this.#driver.begin?.((from, text) => this.hear(from, text)) ?? null;
    this.#ears.set(channel, onMessage);
    await this.#driver.subscribe(channel);
    return () => {
      if (this.#ears.get(channel) !== onMessage) return;
      this.#ears.delete(channel);
      if (this.#ears.size === 0) {
        this.#stop?.();
        this.#stop = null;
      }
      this.#driver.unsubscribe(channel)?.catch(() => {});
    };
  }
}
