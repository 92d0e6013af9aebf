import process from 'node:process';
import { emitKeypressEvents } from 'node:readline';
import type { Output } from '../output.js';
import type { Line } from './top-frame.js';
import type { Key } from './top-state.js';

// The screen of its own, so that what stood there is back afterwards; no cursor; no wrapping of lines that a terminal takes for wider than we do.
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
// In front of a line: behind one that fills the screen's width, terminals take its last character along.
const CLEAR_LINE = '\u001b[2K';
const REST_OF_SCREEN = '\u001b[J';

/** The terminal, while it is ours: keys come one by one, and whole screens are drawn. */
export class Screen implements Disposable {
  readonly #output: Output;
  readonly #onKey: (key: Key) => void;
  readonly #onResize: () => void;
  #isOpen = true;

  constructor(output: Output, onKey: (key: Key) => void, onResize: () => void) {
    this.#output = output;
    this.#onKey = onKey;
    this.#onResize = onResize;
    const { stdin, stdout } = process;
    emitKeypressEvents(stdin);
    stdin.setRawMode(true);
    stdin.on('keypress', this.#onKeypress);
    stdin.resume();
    stdout.on('resize', this.#onResize);
    // However the process ends, the terminal is left as it was.
    process.on('exit', this.#leave);
    stdout.write(ENTER);
  }

  get columns(): number {
    return Math.max(1, process.stdout.columns || 80);
  }

  get lines(): number {
    return Math.max(1, process.stdout.rows || 24);
  }

  /** Draws over what is there, so that nothing flickers. */
  draw(lines: readonly Line[]): void {
    const text = lines.map(({ text: line, style }) => CLEAR_LINE + (style === null ? line : this.#output.style(style, line)));
    process.stdout.write(HOME + text.join('\r\n') + REST_OF_SCREEN);
  }

  [Symbol.dispose](): void {
    const { stdin, stdout } = process;
    stdin.off('keypress', this.#onKeypress);
    stdout.off('resize', this.#onResize);
    process.off('exit', this.#leave);
    this.#leave();
    stdin.pause();
  }

  readonly #onKeypress = (text: string | undefined, { name, ctrl = false }: { readonly name?: string; readonly ctrl?: boolean }): void => {
    this.#onKey({ text, name, ctrl });
  };

  readonly #leave = (): void => {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.stdout.write(LEAVE);
    process.stdin.setRawMode(false);
  };
}
