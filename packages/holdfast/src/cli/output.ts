import process from 'node:process';
import { styleText } from 'node:util';
import { scrubFailure, scrubUrl } from '../redact-url.js';
import type { Failure } from './cli-error.js';
import { printable, printableJson } from './printable.js';

export type Style = Parameters<typeof styleText>[0];

/** What the program says: results on stdout, everything else on stderr, one line each, no URL's secrets in either. */
export class Output {
  readonly #urls: { readonly url: string; readonly isOurs: boolean }[] = [];

  /** From now on nothing of this URL is shown but its scheme, hosts and path. `isOurs`: a backend of ours serves it. */
  hide(url: string, isOurs: boolean): void {
    this.#urls.push({ url, isOurs });
  }

  /** A result, as it is. */
  print(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** A result for programs. */
  printJson(value: unknown): void {
    this.print(printableJson(value, 2));
  }

  /** One of many results for programs, on a line of its own. */
  printJsonLine(value: unknown): void {
    this.print(printableJson(value));
  }

  /** One line about what happens. */
  tell(message: string, style?: Style): void {
    const line = printable(message.replace(/\s*[\r\n]+\s*/g, ' '));
    process.stderr.write(
      `${this.#paint('dim', 'holdfast:', process.stderr)} ${style === undefined ? line : this.#paint(style, line, process.stderr)}\n`,
    );
  }

  /** Why it did not work; with `asJson` as one line of JSON. */
  fail({ code, message, exitCode, words }: Failure, asJson: boolean): void {
    const shown = this.shown({ message, words });
    if (asJson) process.stderr.write(`${printableJson({ error: { code, message: shown, exitCode } })}\n`);
    else this.tell(shown, 'red');
  }

  /** The words of a failure, without what the URLs hide. */
  shown({ message, words }: Pick<Failure, 'message' | 'words'>): string {
    return words === 'ours' ? message : words === 'foreign' ? this.#scrubForeign(message) : this.scrub(message);
  }

  /** Colours for stdout, where somebody sees them. */
  style(style: Style, text: string): string {
    return this.#paint(style, text, process.stdout);
  }

  /** What a store's backend said, without what the URLs hide. Ours never tell it, and their words stay as they are. */
  scrub(text: string): string {
    return this.#urls.reduce((scrubbed, { url, isOurs }) => scrubFailure(scrubbed, url, isOurs), text);
  }

  #scrubForeign(text: string): string {
    return this.#urls.reduce((scrubbed, { url }) => scrubUrl(scrubbed, url), text);
  }

  // Node looks at the stream, NO_COLOR, NODE_DISABLE_COLORS, FORCE_COLOR and TERM.
  #paint(style: Style, text: string, stream: NodeJS.WriteStream): string {
    return styleText(style, text, { stream });
  }
}
