import process from 'node:process';

/** Writes what happens for somebody who sees it for the first time. */
export interface Printer {
  heading(text: string): void;
  text(...lines: readonly string[]): void;
  /** One step of one teller, with the time since the first step under the heading. */
  step(teller: string, text: string): void;
  result(isGood: boolean, text: string): void;
}

export function createPrinter(): Printer {
  // https://no-color.org: set and not empty means none.
  const colours = process.stdout.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
  const paint = (code: number, text: string): string => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  const line = (text: string): void => {
    process.stdout.write(`${text}\n`);
  };
  let start: number | undefined;
  return {
    heading(text) {
      start = undefined;
      line('');
      line(paint(BOLD, text));
    },
    text(...lines) {
      for (const text of lines) line(text === '' ? '' : `  ${text}`);
    },
    step(teller, text) {
      start ??= performance.now();
      const time = `+${Math.round(performance.now() - start)} ms`.padStart(10);
      line(`${paint(DIM, time)}  ${paint(teller === 'Ann' || teller === 'Cleo' ? CYAN : YELLOW, teller.padEnd(4))}  ${text}`);
    },
    result(isGood, text) {
      line(`  => ${paint(isGood ? GREEN : RED, text)}`);
    },
  };
}

const BOLD = 1;
const DIM = 2;
const RED = 31;
const GREEN = 32;
const YELLOW = 33;
const CYAN = 36;
