import process from 'node:process';
import type { LockManager } from '@holdfast/core';
import { ofKind } from '../../view/of-kind.js';
import { blindSpotOf, type LockWatch } from '../../view/lock-watch.js';
import type { View } from '../../view/order.js';
import { failureOf } from '../cli-error.js';
import type { Output } from '../output.js';
import { Screen } from './screen.js';
import { frameOf, pageOf } from './top-frame.js';
import { type Command, failed, inspected, type Key, looked, newTop, noticed, pressed, type TopState } from './top-state.js';

/** What `top` shows, and where. */
export interface TopOptions {
  readonly title: string;
  readonly names: readonly string[];
  readonly view: View;
}

/** How a signal ends it. */
const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const satisfies readonly NodeJS.Signals[];

/** Shows what is held until a key or a signal ends it; the signal is answered, so that the caller ends by it. */
export async function runTop(manager: LockManager, watch: LockWatch, options: TopOptions, output: Output): Promise<NodeJS.Signals | null> {
  const top = new Top(manager, watch, options, output);
  return await top.ended();
}

class Top {
  readonly #manager: LockManager;
  readonly #watch: LockWatch;
  readonly #options: TopOptions;
  readonly #output: Output;
  readonly #end: Promise<NodeJS.Signals | null>;
  #finish!: (signal: NodeJS.Signals | null) => void;
  #state: TopState;
  #screen: Screen | null = null;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(manager: LockManager, watch: LockWatch, options: TopOptions, output: Output) {
    this.#manager = manager;
    this.#watch = watch;
    this.#options = options;
    this.#output = output;
    this.#state = newTop(options.view);
    this.#end = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  async ended(): Promise<NodeJS.Signals | null> {
    const onSignal = (signal: NodeJS.Signals): void => this.#finish(signal);
    for (const signal of SIGNALS) process.on(signal, onSignal);
    using screen = new Screen(
      this.#output,
      (key) => this.#onKey(key),
      () => this.#draw(),
    );
    this.#screen = screen;
    this.#draw();
    const looking = this.#lookOnAndOn();
    try {
      return await this.#end;
    } finally {
      this.#isOver = true;
      this.#screen = null;
      this.#wake();
      for (const signal of SIGNALS) process.off(signal, onSignal);
      // A look that is under way ends with the manager, which the caller closes.
      looking.catch(() => {});
    }
  }

  async #lookOnAndOn(): Promise<void> {
    while (!this.#isOver) {
      let pauseMs = 1_000;
      try {
        // oxlint-disable-next-line no-await-in-loop
        const look = await this.#watch.look();
        pauseMs = look.nextInMs;
        this.#show(looked(this.#state, look));
      } catch (error) {
        this.#show(failed(this.#state, this.#output.scrub(failureOf(error).message)));
      }
      const { detail } = this.#state;
      if (detail !== null) void this.#inspect(detail.row);
      // oxlint-disable-next-line no-await-in-loop
      await this.#pause(pauseMs);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #onKey(key: Key): void {
    if (this.#screen === null) return;
    const [state, command] = pressed(this.#state, key, pageOf(this.#screen));
    this.#show(state);
    if (command !== null) this.#carryOut(command);
  }

  #carryOut(command: Command): void {
    switch (command.do) {
      case 'quit':
        this.#finish(null);
        return;
      case 'inspect':
        void this.#inspect(command.row);
        return;
      case 'release':
        void this.#release(command.row);
        return;
      default:
        command satisfies never;
    }
  }

  async #inspect(row: TopState['rows'][number]): Promise<void> {
    try {
      this.#show(inspected(this.#state, row, await ofKind(this.#manager, row.name, row.kind).inspect()));
    } catch (error) {
      this.#show(failed(this.#state, this.#output.scrub(failureOf(error).message)));
    }
  }

  async #release(row: TopState['rows'][number]): Promise<void> {
    try {
      const wasHeld = await ofKind(this.#manager, row.name, row.kind).forceRelease();
      this.#show(
        noticed(
          this.#state,
          wasHeld ? `${row.name} was taken away; its holder learns of it by its next renewal` : `${row.name} was free already`,
        ),
      );
    } catch (error) {
      this.#show(noticed(this.#state, `${row.name} was not taken away: ${this.#output.scrub(failureOf(error).message)}`));
    }
    this.#wake();
  }

  #show(state: TopState): void {
    this.#state = state;
    this.#draw();
  }

  #draw(): void {
    const screen = this.#screen;
    if (screen === null) return;
    const { title, names } = this.#options;
    screen.draw(
      frameOf(this.#state, { title, blindSpot: blindSpotOf(this.#manager, names), columns: screen.columns, lines: screen.lines }),
    );
  }
}
