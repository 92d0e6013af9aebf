import process from 'node:process';
import { styleText } from 'node:util';
import { scrubUrl } from '../redact-url.js';
import type { Failure } from './cli-error.js';
import { printable } from './printable.js';

export type Style = Parameters<typeof styleText>[0];

/** What the program says: results on stdout, everything else on stderr, one line each, no URL's secrets in either. */
export class Output {
  readonly #urls: string[] = [];

  /** From now on nothing of this URL is shown but its scheme, hosts and path. */
  hide(url: string): void {
    this.#urls.push(url);
  }

  /** A result, as it is. */
  print(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** A result for programs. */
  printJson(value: unknown): void {
    this.print(JSON.stringify(value, null, 2));
  }

  /** One line about what happens. */
  tell(message: string, style?: Style): void {
    const line = printable(message.replace(/\s*[\r\n]+\s*/g, ' '));
    process.stderr.write(
      `${this.#paint('dim', 'holdfast:', process.stderr)} ${style === undefined ? line : this.#paint(style, line, process.stderr)}\n`,
    );
  }

  /** Why it did not work; with `asJson` as one line of JSON. */
  fail({ code, message, exitCode }: Failure, asJson: boolean): void {
    const shown = this.scrub(message);
    if (asJson) process.stderr.write(`${JSON.stringify({ error: { code, message: shown, exitCode } })}\n`);
    else this.tell(shown, 'red');
  }

  /** Colours for stdout, where somebody sees them. */
  style(style: Style, text: string): string {
    return this.#paint(style, text, process.stdout);
  }

  /** A message that came from elsewhere, without what the URLs hide. */
  scrub(text: string): string {
    return this.#urls.reduce((scrubbed, url) => scrubUrl(scrubbed, url), text);
  }

  // Node looks at the stream, NO_COLOR, NODE_DISABLE_COLORS, FORCE_COLOR and TERM.
  #paint(style: Style, text: string, stream: NodeJS.WriteStream): string {
    return styleText(style, text, { stream });
  }
}
